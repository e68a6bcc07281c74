import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guardBoot } from '../../cli/bootGuard/index.ts';
import { guardSteps, unblessSteps } from '../../cli/bootGuard/units/index.ts';
import { KataError } from '../../cli/errors/index.ts';
import { digestOf } from '../../cli/host/index.ts';
import { planOwnUnits } from '../../cli/planning/ownUnits.ts';
import type { Step } from '../../cli/transaction/index.ts';
import { complaints, verifyUnit } from '../support/judges/generated.ts';
import { needs } from '../support/needs.ts';
import { type GenerationTree, generationTree } from '../support/trees/generationTree.ts';
import { put } from '../support/trees/hostTrees.ts';

const folder = '/etc/systemd/system';
const names = ['recover', 'rewire', 'confirm'].map((phase) => `kata-sysext-${phase}.service`);
const preset = '/etc/systemd/system-preset/50-kata-sysext.preset';
const request = { program: '/bin/true', engines: ['containerd.service', 'my\\x2dengine.service'] } as const;

describe('the units of the boot guard', () => {
  let tree: GenerationTree;
  beforeEach(() => {
    tree = generationTree();
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));

  const texts = (steps: Step[]) =>
    new Map(steps.flatMap((step) => (step.kind === 'file' && step.text !== undefined ? [[step.path, step.text] as const] : [])));
  const changed = (steps: Step[]) =>
    steps.flatMap((step) =>
      step.kind === 'file' || step.kind === 'pointer' ? [`${step.path} ${step.after === 'absent' ? '-' : '+'}`] : [],
    );
  /** Does by hand what the steps say. */
  async function place(): Promise<void> {
    for (const step of await guardSteps(tree.host, request)) {
      if (step.kind === 'file') put(tree.root, step.path, step.text!);
      if (step.kind !== 'pointer') continue;
      mkdirSync(join(tree.path(step.path), '..'), { recursive: true });
      symlinkSync(step.after, tree.path(step.path));
    }
  }

  it('are taken by systemd as they are, without a word against them', async function () {
    needs(this, 'systemd-analyze');
    const steps = await guardSteps(tree.host, request);
    for (const [path, text] of texts(steps)) put(tree.root, path, text);

    for (const name of names) assert.deepEqual(complaints(tree.path(`${folder}/${name}`), verifyUnit), []);
  });

  it('have no place left to fill in, a bounded time each, and come before every engine', async () => {
    const all = texts(await guardSteps(tree.host, request));

    for (const name of names) {
      const text = all.get(`${folder}/${name}`)!;
      assert.doesNotMatch(text, /\{\{|\}\}|undefined/);
      assert.match(text, /^ExecStart=\/bin\/true recover --boot /m);
      assert.match(text, /^(TimeoutStartSec|RuntimeMaxSec)=[1-9]\d*$/m);
      assert.match(text, /^TimeoutStopSec=[1-9]\d*$/m);
    }
    assert.match(all.get(`${folder}/${names[1]}`)!, /^Before=containerd\.service my\\x2dengine\.service .*kubelet\.service$/m);
  });

  it('are placed with their links; placed once, nothing is left to do', async () => {
    const first = changed(await guardSteps(tree.host, request));
    await place();

    assert.deepEqual(
      first.sort(),
      [
        `${preset} +`,
        ...names.map((name) => `${folder}/${name} +`),
        `${folder}/multi-user.target.wants/${names[1]} +`,
        `${folder}/multi-user.target.wants/${names[2]} +`,
        `${folder}/sysinit.target.wants/${names[0]} +`,
      ].sort(),
    );
    assert.deepEqual(changed(await guardSteps(tree.host, request)), []);
  });

  it('go with all that was placed, a link that systemctl made too', async () => {
    await place();
    const link = `${folder}/sysinit.target.wants/${names[0]}`;
    rmSync(tree.path(link));
    symlinkSync(`${folder}/${names[0]}`, tree.path(link));

    const steps = changed(await guardSteps(tree.host, undefined));

    assert.equal(steps.length, 7);
    assert.deepEqual(
      steps.filter((step) => !step.endsWith(' -')),
      [],
    );
  });

  it('of an administrator, masked or written by hand, stay as they are', async () => {
    mkdirSync(tree.path(folder), { recursive: true });
    symlinkSync('/dev/null', tree.path(`${folder}/${names[0]}`));
    writeFileSync(tree.path(`${folder}/${names[1]}`), '[Service]\nExecStart=/bin/mine\n');
    put(tree.root, preset, 'disable *\n');

    const [placed, removed] = [changed(await guardSteps(tree.host, request)), changed(await guardSteps(tree.host, undefined))];

    assert.deepEqual(placed, [`${folder}/${names[2]} +`, `${folder}/multi-user.target.wants/${names[2]} +`]);
    assert.deepEqual(removed, []);
  });

  it('with an edit of another program stay; without it they go, whichever version of kata-sysext wrote them', async () => {
    await place();
    const [edited, earlier] = [`${folder}/${names[0]}`, `${folder}/${names[1]}`];
    put(tree.root, earlier, '# kata-sysext of another version\n');
    const now = [edited, earlier].map((path) => [path, digestOf(readFileSync(tree.path(path)))] as const);
    tree.add(1, { record: { edited: Object.fromEntries(now) } });
    appendFileSync(tree.path(edited), 'Environment=MINE=1\n');

    const [removed, placed] = [changed(await guardSteps(tree.host, undefined)), changed(await guardSteps(tree.host, request))];
    const { findings } = await planOwnUnits(tree.host, await guardSteps(tree.host, undefined), false);

    assert.deepEqual(
      removed.filter((step) => step.includes(`${folder}/kata`)),
      [`${folder}/${names[2]} -`, `${earlier} -`],
    );
    assert.ok(removed.includes(`${folder}/sysinit.target.wants/${names[0]} -`), 'nothing starts it any more');
    assert.deepEqual(placed, [`${edited} +`, `${earlier} +`]);
    assert.deepEqual(
      findings.map(({ code, subject }) => [code, subject]),
      [['foreign-edit', edited]],
    );
  });

  it('a link that systemctl, a preset or a mask made stays; something else in its place is refused, and left alone at a boot', async () => {
    const link = (name: string) => tree.path(`${folder}/multi-user.target.wants/${name}`);
    mkdirSync(tree.path(`${folder}/multi-user.target.wants`), { recursive: true });
    symlinkSync(`/usr/lib/systemd/system/${names[1]}`, link(names[1]!));
    symlinkSync('/dev/null', link(names[2]!));
    const kept = changed(await guardSteps(tree.host, request)).filter((step) => step.includes('.wants/'));
    rmSync(link(names[2]!));
    writeFileSync(link(names[2]!), '[Unit]\n');

    const refused = await guardSteps(tree.host, request).catch((error: unknown) => error as KataError);
    const atBoot = changed(await guardSteps({ ...tree.host, booted: true }, request)).filter((step) => step.includes('.wants/'));

    assert.deepEqual(kept, [`${folder}/sysinit.target.wants/${names[0]} +`]);
    assert.ok(refused instanceof KataError);
    assert.deepEqual([refused.code, refused.complaint.subject], ['foreign-file', `${folder}/multi-user.target.wants/${names[2]}`]);
    assert.deepEqual(atBoot, kept);
  });

  it('what says that a system is blessed goes, and half of such a text too', async () => {
    put(tree.root, `${folder}/${names[0]}.d/50-blessed.conf`, '# kata-sysext\n');
    put(tree.root, `${folder}/.new-blessed-${names[1]}.tmp`, '# kata');

    const steps = changed(await unblessSteps(tree.host));

    assert.deepEqual(steps, [`${folder}/${names[0]}.d/50-blessed.conf -`, `${folder}/.new-blessed-${names[1]}.tmp -`]);
  });

  for (const phase of ['recover', 'rewire', 'confirm'] as const)
    it(`the phase ${phase} has nothing to do on a tree without an active generation`, async () => {
      const context = {
        host: tree.host,
        program: '0',
        emit: () => undefined,
        signal: new AbortController().signal,
        asked: { cause: 'boot guard' },
      };

      assert.deepEqual((await guardBoot(context, phase)).notes, ['no generation is active']);
    });
});
