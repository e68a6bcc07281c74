import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { podman } from '../../cli/engines/podman/index.ts';
import type { Finding } from '../../cli/errors/index.ts';
import type { HostView } from '../../cli/host/types.ts';
import { check } from '../../cli/inspect/check.ts';
import { treesOfSpec } from '../support/trees/engineTree.ts';

/** As Podman 4.3.1 says it, cut to what is read; the version text of krun is that of crun with libkrun. */
const info = (path: string, features: string) =>
  JSON.stringify({
    host: { ociRuntime: { name: 'krun', path, version: `crun version 1.8.1\nspec: 1.0.0\n+SYSTEMD +SELINUX ${features}` } },
    version: { Version: '4.3.1' },
  });
const missing = { code: 125, stdout: '', stderr: 'Error: default OCI runtime "krun" not found: invalid argument\n' };
const said = (stdout: string) => ({ code: 0, stdout, stderr: '' });

const bare = { '/usr/bin/podman': '', '/run/libpod/alive': '' };
const whole = { ...bare, '/usr/lib64/libkrun.so.1': '', '/dev/kvm': '' };

describe('engines/podman: krun, its own way to a virtual machine', () => {
  const treeOf = treesOfSpec();

  async function findings(files: Record<string, string>, ran: Awaited<ReturnType<HostView['run']>> | Error): Promise<Finding[]> {
    const tree = await treeOf(files);
    const asked: string[][] = [];
    const run: HostView['run'] = async (program, args) => {
      asked.push([program, ...args]);
      if (ran instanceof Error) throw ran;
      return ran;
    };
    const found = await podman.instead!({ ...tree.host, live: true, run });
    const commands = asked.map((words) => words.join(' '));
    assert.ok(
      commands.every((command) => command === '/usr/bin/podman --runtime krun info --format json'),
      commands.join(),
    );
    return found;
  }

  const rows: [
    what: string,
    files: Record<string, string>,
    ran: Awaited<ReturnType<HostView['run']>> | Error,
    level: string,
    found: RegExp,
  ][] = [
    [
      'program, library and KVM',
      whole,
      said(info('/usr/bin/krun', '+LIBKRUN')),
      'info',
      /^Podman has a way .*\/usr\/bin\/krun .*libkrun\.so\.1 .*kvm$/,
    ],
    ['no program', whole, missing, 'warning', /does not work here: Podman finds no program krun$/],
    ['a program without libkrun', whole, said(info('/usr/bin/krun', '')), 'warning', /: \/usr\/bin\/krun is built without libkrun$/],
    ['nothing of it', bare, missing, 'warning', /no program krun; there is no libkrun\.so\.1; there is no \/dev\/kvm$/],
    ['a Podman that fails', whole, { ...missing, stderr: 'Error: other' }, 'info', /is not known: podman info failed$/],
    ['a Podman that does not end', whole, new Error('timeout'), 'info', /is not known: podman info failed: Error: timeout$/],
    ['no JSON', whole, said('{'), 'info', /nothing that can be read/],
    ['too much JSON', whole, said(`["${'x'.repeat(2 << 20)}"]`), 'info', /nothing that can be read: it is larger/],
    ['JSON that names another thing', whole, said('{"host":{"ociRuntime":{"path":"krun","version":1}}}'), 'info', /names no program$/],
    ['a Podman that was never used', { '/usr/bin/podman': '' }, missing, 'info', /root has not used Podman in this boot yet$/],
  ];
  for (const [what, files, ran, level, found] of rows)
    it(`${what}: ${level}`, async () => {
      const seen = await findings(files, ran);

      assert.deepEqual(
        seen.map((each) => [each.code, each.level]),
        [['podman-krun', level]],
      );
      assert.match(seen[0]!.found, found);
    });

  it('is not looked for without Podman, nor in an offline tree', async () => {
    const tree = await treeOf(whole);

    const [none, offline] = [await findings({}, missing), await podman.instead!(tree.host)];

    assert.deepEqual([none, offline], [[], []]);
  });

  it('check --engine podman refuses Kata with the reason of upstream, and adds what Podman has', async () => {
    const tree = await treeOf(bare);
    mkdirSync(join(tree.root, 'etc'), { recursive: true });
    writeFileSync(join(tree.root, 'etc/os-release'), 'ID=debian\n');
    const host: HostView = { ...tree.host, live: true, systemd: async () => undefined, has: async () => false, run: async () => missing };

    const { ready, findings: all } = await check(host, { engines: ['podman'], handlers: [], backend: 'prefix' });

    assert.equal(ready, false);
    assert.match(all.find(({ code }) => code === 'engine-unsupported')?.found ?? '', /no shims.*issue 722/);
    assert.equal(all.find(({ code }) => code === 'podman-krun')?.level, 'warning');
  });
});
