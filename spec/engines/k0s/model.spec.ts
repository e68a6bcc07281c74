import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import toml from '@iarna/toml';
import { valueAt } from '../../../cli/documents/toml/index.ts';
import type { Scratch } from '../../../cli/engines/contract.ts';
import { k0s } from '../../../cli/engines/k0s/index.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { openView } from '../../../cli/host/index.ts';
import type { HostView, RunResult } from '../../../cli/host/types.ts';
import { containerdBinaries } from '../../support/live/containerdBinary.ts';
import { type EngineTree, handler, refusalOf, treesOfSpec } from '../../support/trees/engineTree.ts';
import { folder, instanceOn, k0sFiles, main, ours, rendered, unit, unitText } from './k0sFiles.ts';

const wanted = [handler('kata-qemu'), handler('kata-clh')];
const usual = { '/usr/local/bin/k0s': '', [unit]: unitText };
const runtimes = ['plugins', 'io.containerd.grpc.v1.cri', 'containerd', 'runtimes'];
const unpacked = '/var/lib/k0s/bin/containerd';

/** A node that boots, whose unpacked containerd says this. */
function booting(tree: EngineTree, answer: (args: string[]) => Partial<RunResult>): HostView {
  const run = async (_program: string, args: string[]) => ({ code: 0, stdout: '', stderr: '', ...answer(args) });
  return { ...tree.host, booted: true, run, has: async () => false } as HostView;
}

function versionIs(version: string): (args: string[]) => Partial<RunResult> {
  return ([first]) => ({ stdout: first === 'version' ? 'v1.34.10+k0s.0\n' : `containerd github.com/containerd/containerd ${version} 0\n` });
}

describe('engines/k0s: what k0s makes of its drop-ins', () => {
  const treeOf = treesOfSpec();

  for (const { origin, files } of k0sFiles()) {
    it(`${origin}: up to 1.35 the value is the one that k0s itself wrote with the same drop-in`, async () => {
      const tree = await treeOf({
        ...usual,
        [unpacked]: '',
        [main]: files['1.34.managed.containerd.toml']!,
        [rendered]: files['1.34.run.containerd-cri.toml']!,
        [`${folder}/50-kata-v2.toml`]: files['1.34.containerd.d.50-kata-v2.toml']!,
      });
      const host = booting(tree, versionIs('1.7.33'));

      const value = await k0s.dump!.dumpEffective(host, await instanceOn(host));

      const wrote = toml.parse(files['1.34.run.containerd-cri.with-kata-dropin.toml']!);
      assert.deepEqual(JSON.parse(JSON.stringify(value)), JSON.parse(JSON.stringify(wrote)));
    });

    it(`${origin}: before k0s has written, and after it has, a plan changes the handlers of kata-sysext alone`, async () => {
      const tree = await treeOf({ ...usual, [unpacked]: '', [rendered]: files['1.34.run.containerd-cri.toml']! });
      const host = booting(tree, versionIs('1.7.33'));
      const instance = await instanceOn(host);
      const before = await k0s.dump!.dumpEffective(host, instance);
      const plan = await k0s.plan(host, instance, wanted);
      await tree.apply(plan);

      const after = await k0s.dump!.dumpEffective(host, instance);
      await tree.apply(await k0s.plan(host, instance, [], plan.wiring));
      const away = await k0s.dump!.dumpEffective(host, instance);

      const names = wanted.map(({ name }) => name);
      const diff = k0s.dump!.compare(before, after, names);
      assert.deepEqual(diff.others, []);
      assert.ok(diff.ours.length > 0);
      assert.deepEqual(Object.keys(valueAt(after, runtimes) as object).sort(), [...names, 'runc'].sort());
      assert.deepEqual(away, before);
    });
  }

  it('a drop-in without tables of the CRI is not merged, lists are replaced, and later names win', async () => {
    const tree = await treeOf({
      ...usual,
      [unpacked]: '',
      [rendered]: 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\ncdi_spec_dirs = ["/a", "/b"]\nenable_cdi = false\n',
      [`${folder}/10-debug.toml`]: '[debug]\nlevel = "info"\n',
      [`${folder}/20-three.toml`]: 'version = 3\n[plugins."io.containerd.cri.v1.runtime"]\nenable_cdi = true\n',
      [`${folder}/30-one.toml`]: '[plugins."io.containerd.grpc.v1.cri"]\ncdi_spec_dirs = ["/c"]\nenable_selinux = true\n',
      [`${folder}/40-two.toml`]: '[plugins."io.containerd.grpc.v1.cri"]\nenable_selinux = false\n',
      [`${folder}/50-not.conf`]: '[plugins."io.containerd.grpc.v1.cri"]\nenable_selinux = true\n',
    });
    const host = booting(tree, versionIs('1.7.33'));

    const value = await k0s.dump!.dumpEffective(host, await instanceOn(host));

    assert.deepEqual(JSON.parse(JSON.stringify(value)), {
      version: 2,
      plugins: { 'io.containerd.grpc.v1.cri': { cdi_spec_dirs: ['/c'], enable_cdi: false, enable_selinux: false } },
    });
  });

  it('where k0s has not unpacked the containerd of its version, it says so, and a removal needs no answer', async () => {
    const tree = await treeOf({ ...usual, [unpacked]: '', [main]: '# k0s_managed=true\nversion = 2\n' });
    const host = booting(tree, versionIs('v2.3.1'));
    const instance = await instanceOn(host);
    const scratch: Scratch = async () => assert.fail('nothing is asked');
    const plan = await k0s.plan(host, instance, wanted);
    await tree.apply(plan);

    const code = await refusalOf(k0s.dump!.validate(host, instance, plan, scratch));
    const removal = await k0s.dump!.validate(host, instance, await k0s.plan(host, instance, [], plan.wiring), scratch);
    rmSync(join(tree.root, unpacked));
    const never = await refusalOf(k0s.dump!.dumpEffective(host, instance));

    assert.deepEqual([code, never], ['host-unknown', 'host-unknown']);
    assert.deepEqual(removal, { ours: [], others: [], warnings: [] });
  });

  it('a refusal of the files as they are names them and a command, and no copy', async () => {
    const mine = `${folder}/10-mine.toml`;
    const three = `${folder}/20-three.toml`;
    const tree = await treeOf({
      ...usual,
      [unpacked]: '',
      [rendered]: 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\n',
      [mine]: '[plugins."io.containerd.grpc.v1.cri"]\nenable_cdi = 7\n',
      [three]: 'version = 3\n[debug]\nlevel = 7\n',
    });
    const scratch: Scratch = async (name) => `/copies/${name}`;
    const said = ['/copies/now-import-0.toml: (3, 1)', '/copies/now-cri.toml: (4, 1)', 'no file of all: (1, 1)'];
    const errors: unknown[] = [];
    for (const stderr of said) {
      const host = booting(tree, (args) =>
        args[0] === '-c' ? { code: 1, stderr: `containerd: failed to load TOML: ${stderr}\n` } : versionIs('1.7.33')(args),
      );
      const instance = await instanceOn(host);
      const plan = await k0s.plan(host, instance, wanted);
      errors.push(await k0s.dump!.validate(host, instance, plan, scratch).catch((error: unknown) => error));
    }

    const start = `${unpacked} does not accept what k0s makes of ${mine}, ${three}: containerd: failed to load TOML:`;
    assert.deepEqual(
      errors.map((error) => (error instanceof KataError ? [error.code, error.complaint.found, error.complaint.next] : error)),
      [`${three}: (3, 1)`, 'the tables of the CRI: (4, 1)', 'no file of all: (1, 1)'].map((place) => [
        'engine-config-invalid',
        `${start} ${place}`,
        `Repair ${mine} or ${three}; k0s reads it some seconds later, and then this works: ${unpacked} -c ${main} config dump`,
      ]),
    );
  });

  it('a refusal of what k0s wrote itself, without a drop-in, names that file and how k0s writes it again', async () => {
    const tree = await treeOf({ ...usual, [unpacked]: '', [rendered]: 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\nx = 7\n' });
    const host = booting(tree, (args) => (args[0] === '-c' ? { code: 1, stderr: 'no\n' } : versionIs('1.7.33')(args)));
    const instance = await instanceOn(host);

    const error = await k0s
      .dump!.validate(host, instance, await k0s.plan(host, instance, wanted), async (name) => `/copies/${name}`)
      .catch((cause: unknown) => cause);

    assert.ok(error instanceof KataError, String(error));
    assert.deepEqual(
      [error.complaint.subject, error.complaint.found],
      [rendered, `${unpacked} does not accept what k0s makes of ${rendered}: no`],
    );
    assert.match(error.complaint.next, /systemctl restart k0sworker\.service/);
  });

  for (const { path, version } of containerdBinaries()) {
    // That of k0s from 1.36 on reads /etc itself: spec/e2e/k0s.spec.ts.
    if (!version.startsWith('1.7')) continue;
    describe(`judged by containerd ${version}`, () => {
      /** A node that boots, with this binary as the one that k0s unpacked; copies have paths of this machine, as the binary reads them. */
      async function prepared(files: Record<string, string>) {
        const tree = await treeOf({ ...usual, [unpacked]: '', ...files });
        const real = openView('/', {});
        const run: HostView['run'] = async (program, args, options) =>
          args[0] === 'version'
            ? { code: 0, stdout: 'v1.34.10+k0s.0\n', stderr: '' }
            : real.run(program === unpacked ? path : program, args, options);
        const host: HostView = { ...tree.host, booted: true, run, has: async () => false };
        mkdirSync(join(tree.root, 'scratch'));
        const scratch: Scratch = async (name, text) => {
          writeFileSync(join(tree.root, 'scratch', name), text);
          return join(tree.root, 'scratch', name);
        };
        return { host, instance: await instanceOn(host), scratch };
      }

      it('takes the planned files, and only Kata’s handlers differ', async () => {
        const { files } = k0sFiles()[0]!;
        const text = files['1.34.managed.containerd.toml']!;
        const { host, instance, scratch } = await prepared({ [main]: text, [`${folder}/10-mine.toml`]: '[debug]\nlevel = "info"\n' });
        const plan = await k0s.plan(host, instance, wanted);

        const diff = await k0s.dump!.validate(host, instance, plan, scratch);

        assert.deepEqual([diff.others, diff.warnings], [[], []]);
        assert.ok(wanted.every(({ name }) => diff.ours.some((key) => key.includes(name))));
      });

      it('settings of another kind in a drop-in of others are refused before anything is changed', async () => {
        const bad = '[plugins."io.containerd.grpc.v1.cri".containerd]\ndefault_runtime_name = 7\n';
        const { host, instance, scratch } = await prepared({ [`${folder}/10-mine.toml`]: bad });
        const plan = await k0s.plan(host, instance, wanted);

        const code = await refusalOf(k0s.dump!.validate(host, instance, plan, scratch));

        assert.match(code, /engine-(?:config-invalid|rejects)/);
        assert.equal(plan.changes.at(-1)?.path, ours);
      });
    });
  }
});
