import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { differences } from '../support/judges/fingerprint.ts';
import { put } from '../support/trees/hostTrees.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';

const config = 'etc/containerd/config.toml';
const line = /^ *enable_selinux = true # turned on by kata-sysext/m;
const allow = ['--allow', 'engine-selinux'];

describe('the engine’s SELinux switch, on an offline tree', function () {
  this.timeout(300_000);
  let first: string;
  let host: InProcessTree | undefined;
  before(async () => {
    ({ first } = await plainReleases());
  });
  afterEach(() => host?.remove());

  function tree(mode: string): InProcessTree {
    return inProcessTree(
      'flatcar',
      (root) => put(root, 'etc/selinux/config', `SELINUX=${mode}\nSELINUXTYPE=targeted\n`),
      'containerd@1.7.24',
    );
  }

  it('is turned on by --allow alone: a step and a diff of its own, and a generation that rollback leaves', async () => {
    host = tree('permissive');
    const before = host.listing();

    const plain = await host.json(['install', first]);
    const without = readFileSync(host.path(config), 'utf8');
    const { steps, findings } = (await host.json(['install', first, ...allow, '--dry-run'])) as {
      steps: { text: string; diff?: string[] }[];
      findings: { code: string }[];
    };
    const change = await host.json(['install', first, ...allow]);
    const text = readFileSync(host.path(config), 'utf8');
    const again = await host.json(['install', first]);
    const next = await host.json(['configure', '--set', 'default_memory=4096']);
    const kept = readFileSync(host.path(config), 'utf8');
    await host.json(['rollback', '--to', '1']);
    const back = readFileSync(host.path(config), 'utf8');
    await host.json(['rollback']);
    const on = readFileSync(host.path(config), 'utf8');
    await host.json(['uninstall', '--purge']);

    assert.doesNotMatch(without, line);
    const own = steps.filter(({ diff }) => diff?.some((each) => each.includes('enable_selinux')));
    assert.deepEqual(
      own.map((step) => [step.text, step.diff?.length]),
      [[`edit /${config}`, 2]],
    );
    assert.ok(findings.some(({ code }) => code === 'engine-selinux'));
    assert.deepEqual([plain['to'], change['to'], again['changed'], next['to']], [1, 2, false, 3]);
    assert.match(text, line);
    assert.equal(kept, text);
    assert.equal(back, without);
    assert.equal(on, text);
    assert.deepEqual(differences(before, host.listing()), []);
  });

  it('that lost its text is reported by status and verify, stays off, and comes again where it is allowed again', async () => {
    host = tree('permissive');
    await host.json(['install', first, ...allow]);
    const text = readFileSync(host.path(config), 'utf8');
    writeFileSync(host.path(config), text.replace(/^ *enable_selinux.*\r?\n/m, ''));

    const { engine } = (await host.json(['status'])) as { engine: { lost?: string[] } };
    const drift = await host.run(['verify']);
    const off = readFileSync(host.path(config), 'utf8');
    const repeated = await host.json(['install', first]);
    const stays = readFileSync(host.path(config), 'utf8');
    await host.json(['install', first, ...allow]);

    assert.match(JSON.stringify(repeated), /turned on SELinux labels in [^"]*, and another program or user changed that text/);
    assert.equal(stays, off);
    assert.deepEqual(engine.lost, [`/${config}`]);
    assert.equal(drift.status, 1);
    assert.equal(readFileSync(host.path(config), 'utf8'), text);
  });

  it('where SELinux is disabled, there is no switch to turn', async () => {
    host = tree('disabled');

    await host.json(['install', first, ...allow]);

    assert.doesNotMatch(readFileSync(host.path(config), 'utf8'), /enable_selinux/);
  });

  it('a staged generation brings it when it is activated', async () => {
    host = tree('permissive');
    await host.json(['install', first]);

    await host.json(['install', first, '--alias', 'kata=qemu-runtime-rs', ...allow, '--stage']);
    const staged = readFileSync(host.path(config), 'utf8');
    await host.json(['activate']);

    assert.doesNotMatch(staged, /enable_selinux/);
    assert.match(readFileSync(host.path(config), 'utf8'), line);
  });
});
