import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { runInProcess } from '../support/inProcess.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';

const config = 'etc/containerd/config.toml';
const dropIn = 'etc/crio/crio.conf.d/50-kata-sysext.conf';
const both = ['containerd@1.7.24', 'crio@1.34'];
const crioUnit = '[Service]\nExecStart=/usr/bin/crio\n';

interface Line {
  name: string;
  files: string[];
  lost?: string[];
}

describe('several engines of one host', function () {
  this.timeout(300_000);
  let first: string;
  let second: string;
  let host: InProcessTree | undefined;
  before(async () => {
    ({ first, second } = await plainReleases());
  });
  afterEach(() => host?.remove());

  function tree(): InProcessTree {
    return inProcessTree(
      'fcos',
      (root) => {
        put(root, 'usr/bin/crio', '', 0o755);
        put(root, 'usr/lib/systemd/system/crio.service', crioUnit);
        put(root, 'usr/lib/systemd/system/containerd.service', '[Service]\nExecStart=/usr/bin/containerd\n');
        put(root, 'etc/crio/crio.conf.d/10-crio.conf', '[crio.runtime]\ndefault_runtime = "crun"\n');
      },
      both,
    );
  }

  /** Without any --engine. */
  function bare(args: string[]) {
    return runInProcess([...args, '--root', host!.root, '--progress', 'none']);
  }

  const wired = () => [/kata-qemu/.test(readFileSync(host!.path(config), 'utf8')), existsSync(host!.path(dropIn))];

  it('are wired by one change and one generation, and uninstall gives every byte back', async () => {
    host = tree();
    const before = host.listing();

    const plan = (await host.json(['install', first, '--dry-run'])) as { steps: { text: string; diff?: string[] }[] };
    const change = await host.json(['install', first]);
    const after = wired();
    const status = (await host.json(['status'])) as unknown as { engine: Line; otherEngines: Line[]; generations: unknown[] };
    const text = (await host.run(['status'])).stdout;
    const verified = await host.run(['verify']);
    const again = await host.json(['install', first]);
    const removal = await host.json(['uninstall', '--purge']);

    assert.deepEqual(
      plan.steps.filter(({ diff }) => diff?.some((each) => each.includes('kata-qemu'))).map((step) => step.text),
      [`edit /${config}`, `create /${dropIn}`],
    );
    assert.deepEqual([change['to'], status.generations.length, after, again['changed']], [1, 1, [true, true], false]);
    assert.deepEqual(
      [status.engine, ...status.otherEngines].map(({ name, files }) => [name, files]),
      [
        ['containerd', [`/${config}`]],
        ['crio', [`/${dropIn}`]],
      ],
    );
    assert.match(text, /^wired into containerd: .*\nwired into crio: /m);
    assert.equal(verified.status, 0, verified.stdout);
    assert.match(String(removal['undoCommand']), /--engine containerd\S* --engine crio\S*/);
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('stay wired by later changes, which need not name them', async () => {
    host = tree();
    await host.json(['install', first]);
    const crio = readFileSync(host.path(dropIn), 'utf8');

    const runs: number[] = [];
    for (const args of [
      ['install', second, '--alias', 'kata=qemu-runtime-rs'],
      ['configure', '--set', 'default_memory=4096'],
      ['rollback', '--to', '1'],
      ['gc', '--keep', '1'],
    ])
      runs.push((await bare(args)).status);
    const back = readFileSync(host.path(dropIn), 'utf8');
    const kept = wired();
    runs.push((await bare(['uninstall', '--purge'])).status);

    assert.deepEqual(runs, [0, 0, 0, 0, 0]);
    assert.equal(back, crio);
    assert.deepEqual(kept, [true, true]);
    assert.deepEqual(wired(), [false, false]);
  });

  it('each report what they lost, and the next install repairs that one', async () => {
    host = tree();
    await host.json(['install', first]);
    rmSync(host.path(dropIn));

    const { engine, otherEngines } = (await host.json(['status'])) as unknown as { engine: Line; otherEngines: Line[] };
    const drift = await host.run(['verify']);
    await host.json(['install', first]);

    assert.deepEqual([engine.lost, otherEngines[0]?.lost], [undefined, [`/${dropIn}`]]);
    assert.equal(drift.status, 1);
    assert.ok(drift.stdout.includes(`/${dropIn}`));
    assert.deepEqual(wired(), [true, true]);
  });

  it('of which one was removed from the host: a change asks for leave, and then goes on with the others', async () => {
    host = tree();
    await host.json(['install', first]);
    await host.json(['install', second]);
    for (const path of ['usr/bin/crio', 'usr/lib/systemd/system/crio.service', 'etc/crio']) rmSync(host.path(path), { recursive: true });
    const before = host.listing();

    const checked = await bare(['check', '--json']);
    const refused = await bare(['rollback', '--json']);
    const untouched = differences(before, host.listing());
    const named = await bare(['rollback', '--engine', 'containerd', '--engine', 'crio', '--json']);
    const allowed = await bare(['rollback', '--allow', 'engine-gone', '--json']);
    const status = JSON.parse((await bare(['status', '--json'])).stdout) as { engine: Line; otherEngines?: Line[] };
    const later = await bare(['install', second, '--json']);

    const codes = (JSON.parse(checked.stdout) as { findings: { code: string }[] }).findings.map(({ code }) => code);
    assert.ok(codes.includes('engine-gone'), checked.stdout);
    assert.equal((JSON.parse(refused.stdout) as { code: string }).code, 'engine-gone');
    assert.deepEqual(untouched, []);
    assert.equal((JSON.parse(named.stdout) as { code: string }).code, 'engine-missing');
    assert.equal(allowed.status, 0, allowed.stdout);
    assert.match(allowed.stdout, /"engine-gone"/);
    assert.deepEqual([wired(), status.engine.name, status.otherEngines ?? []], [[true, false], 'containerd', []]);
    assert.equal(later.status, 0, later.stdout);
  });

  it('are the same for all generations: others are refused with the way to change them, and no path changes', async () => {
    host = tree();
    await host.json(['install', first]);
    const before = host.listing();

    const fewer = await runInProcess(['install', second, '--root', host.root, '--engine', 'crio', '--json', '--progress', 'none']);
    const versioned = await runInProcess([
      'install',
      second,
      '--root',
      host.root,
      '--engine',
      'crio@1.34',
      '--dry-run',
      '--json',
      '--progress',
      'none',
    ]);
    const twice = await runInProcess([
      'install',
      second,
      '--root',
      host.root,
      '--engine',
      'crio',
      '--engine',
      'crio',
      '--json',
      '--progress',
      'none',
    ]);
    const errors = [fewer, twice].map(({ stdout }) => JSON.parse(stdout) as { code: string; next: string });

    assert.deepEqual(
      errors.map(({ code }) => code),
      ['engine-unsupported', 'usage'],
    );
    assert.match(errors[0]!.next, /uninstall .*, then install with --engine crio$/);
    assert.equal(versioned.status, 0, versioned.stdout);
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('that are both there and not named: exit status 3 with all names', async () => {
    host = tree();
    put(host.root, 'usr/bin/containerd', '', 0o755);

    const { status, stderr } = await bare(['install', first]);

    assert.equal(status, 3);
    assert.match(stderr, /--engine containerd or --engine crio/);
  });

  it('check looks at each of them', async () => {
    host = tree();

    const { stdout } = await host.run(['check']);

    assert.match(stdout, /^engine: {2}containerd 1\.7\.24, .*\nengine: {2}crio 1\.34, /m);
  });
});
