import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { assertShown, type ShownRun, shownRuns } from '../support/judges/shownRuns.ts';
import { crioHandlers, crioHost, crioUnit, dropIn, filesConfig, namesMade, needCrio, runningConfig } from '../support/live/crioHost.ts';
import { dependent, type Live, runsOf } from '../support/live/liveHost.ts';
import { layered } from '../support/trees/layered.ts';
import { layeredUsr, rpmOstreeState } from '../support/trees/rpmOstree.ts';

const own = 'kata-qemu-runtime-rs';
const units = [crioUnit, dependent];

type Runtimes = Record<string, { runtime_path?: string } | undefined>;

/** A real CRI-O with the wiring of a layered package; rpm-ostree itself is a stand-in (spec/support/trees/rpmOstree.ts). */
describe('adopt layered on a live host with CRI-O', function () {
  this.timeout(600_000);
  let live: Live;
  let made: Live | undefined;
  let usr: Awaited<ReturnType<typeof layeredUsr>> | undefined;
  let etc: string[];

  before(async function () {
    await needCrio(this);
    usr = await layeredUsr('trixie');
    made = await crioHost({ [`/${layered.dropIn}`]: layered.text }, 'trixie', {}, usr.usr);
    live = made;
    etc = fingerprint(live.host.root, ['etc']);
  });
  after(async () => {
    await made?.host.stop();
    await usr?.remove();
  });
  beforeEach(() => live.host.sh(`rm -rf ${rpmOstreeState}; systemctl reset-failed ${crioUnit}`));

  const log = async () => (await live.host.sh(`cat ${rpmOstreeState}/log 2>/dev/null || true`)).stdout.trim().split('\n').filter(Boolean);
  const adopt = () => ['adopt', 'layered', live.bundle(live.first), '--yes'];
  const shimOf = (config: Record<string, unknown>) =>
    (config as { crio: { runtime: { runtimes: Runtimes } } }).crio.runtime.runtimes['kata']?.runtime_path;

  async function asBefore(): Promise<void> {
    assert.deepEqual(differences(etc, fingerprint(live.host.root, ['etc'])), []);
    assert.deepEqual(await crioHandlers(live), ['', 'kata', 'runc']);
    assert.equal(shimOf(await runningConfig(live)), `/${layered.shim}`);
    for (const state of Object.values(await runsOf(live, units))) assert.match(state, /ActiveState=active/);
  }

  it('shows the plan with the deployment that would be staged, and asks rpm-ostree for nothing but its status', async () => {
    const { stdout } = await live.kata([...adopt(), '--dry-run']);

    assert.match(stdout, /let rpm-ostree stage a deployment without the layered package kata-containers/);
    assert.match(stdout, /restart crio\.service/);
    assert.deepEqual(await log(), []);
    await asBefore();
  });

  it('refuses with --yes where another deployment waits: what would be staged takes its place', async () => {
    await live.host.sh(`mkdir -p ${rpmOstreeState}; touch ${rpmOstreeState}/other`);

    const refused = await live.json(adopt(), 3);

    assert.equal(refused['code'], 'layer-pending');
    assert.deepEqual(await log(), []);
    await asBefore();
  });

  it('rpm-ostree fails: all that was proven before is put back', async () => {
    await live.host.sh(`mkdir -p ${rpmOstreeState}; touch ${rpmOstreeState}/fail`);

    const failed = await live.json(adopt(), 1);

    assert.match(String(failed['found']), /rpm-ostree uninstall kata-containers ended with 1: .*told to fail; the host is as it was/);
    assert.deepEqual(await log(), ['uninstall kata-containers']);
    await asBefore();
  });

  it('killed when the deployment is staged, then recover: that is dropped, and theirs serves', async () => {
    const killed = await live.kata(adopt(), { KATA_SYSEXT_FAILPOINT: 'step/layer/after=kill' });
    const staged = (await live.host.sh(`ls ${rpmOstreeState}`)).stdout.split('\n').includes('staged');

    await live.json(['recover']);

    assert.notEqual(killed.code, 0);
    assert.equal(staged, true);
    assert.deepEqual(await log(), ['uninstall kata-containers', 'cleanup --pending']);
    await asBefore();
  });

  it('takes the place under the same name: one restart, no handler lost, the removal staged, and no reboot', async () => {
    const before = await runsOf(live, units);

    const { result: change, names } = await namesMade(live, () => live.json(adopt()));

    const handlers = await crioHandlers(live);
    const after = await runsOf(live, units);
    assert.deepEqual(
      [change['restarted'], change['nextCommand'], change['undoCommand']],
      [[crioUnit], 'systemctl reboot', 'kata-sysext uninstall'],
    );
    // The folder's own events: ours came, theirs went.
    assert.deepEqual(names, ['50-kata', '50-kata-sysext.conf']);
    assert.deepEqual(handlers, ['', 'kata', own, 'runc']);
    assert.equal(existsSync(join(live.host.root, layered.dropIn)), false);
    assert.match(shimOf(await runningConfig(live)) ?? '', /^\/usr\/share\/kata\//);
    assert.equal(shimOf(await filesConfig(live)), shimOf(await runningConfig(live)));
    assert.deepEqual(await log(), ['uninstall kata-containers']);
    for (const unit of units) assert.notEqual(after[unit], before[unit]);
    await live.json(['verify']);
  });

  it('uninstall gives the name back to the package, byte for byte, and says that it goes at the next boot', async () => {
    await live.host.sh(`mkdir -p ${rpmOstreeState}; touch ${rpmOstreeState}/staged`);

    const change = await live.json(['uninstall', '--purge']);

    const told = (change['findings'] as { code: string; next: string }[]).find(({ code }) => code === 'layer-stays');
    assert.deepEqual(change['restarted'], [crioUnit]);
    assert.match(told?.next ?? '', /rpm-ostree cleanup --pending/);
    assert.match(String(change['undoCommand']), /^kata-sysext adopt layered \S+ --handler kata-qemu-runtime-rs --alias kata=/);
    assert.equal(readFileSync(join(live.host.root, layered.dropIn), 'utf8'), layered.text);
    assert.equal(existsSync(join(live.host.root, dropIn)), false);
    assert.deepEqual(await log(), []);
    await asBefore();
  });

  it('prints what docs/guides/from-rpm-ostree.md shows', async () => {
    const [plan, adopted, left] = shownRuns('docs/guides/from-rpm-ostree.md');
    const printed = async ({ words }: ShownRun) => {
      const { code, stdout, stderr } = await live.kata(words.map((word) => (word.endsWith('.tar.zst') ? live.bundle(live.first) : word)));
      assert.equal(code, 0, stderr);
      // Which modules there are is a matter of this machine's kernel.
      return stdout.replace(/^! .*\[handler-needs-module\]\n(?: {4}.*\n)*/m, '');
    };

    assertShown(plan!, await printed(plan!));
    assertShown(adopted!, await printed(adopted!));
    await live.host.sh(`mkdir -p ${rpmOstreeState}; touch ${rpmOstreeState}/staged`);
    assertShown(left!, await printed(left!));
  });
});
