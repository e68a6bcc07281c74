import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { engineNamed, type Sandbox } from '../../cli/engines/index.ts';
import { openView } from '../../cli/host/index.ts';
import { shimFindings } from '../../cli/preflight/shimFindings.ts';
import type { GenerationManifest } from '../../cli/store/index.ts';
import { scratch } from '../support/trees/treeHost.ts';

const sandbox: Sandbox = { id: 'a1b2c3d4e5f6a7b8', handler: 'kata-qemu', podName: 'web', podNamespace: 'shop', ready: true };

function generation(number: number, protocol: number | undefined): GenerationManifest {
  const digest = `sha256:${'0'.repeat(64)}` as const;
  return {
    schema: 1,
    number,
    created: '2026-01-01T00:00:00Z',
    program: '0',
    release: `5.${number}.0`,
    sources: [],
    payload: digest,
    payloadFolder: `/var/lib/kata-sysext/tree/${number}`,
    backend: 'prefix',
    format: 'directory',
    handlers: [
      {
        name: 'kata-qemu',
        release: 'qemu',
        family: 'go',
        hypervisor: 'qemu',
        shim: 'bin/containerd-shim-kata-v2',
        configuration: 'configuration.toml',
        ...(protocol === undefined ? {} : { protocol }),
        shimDigest: digest,
        configurationDigest: digest,
      },
    ],
    choices: { aliases: { kata: 'kata-qemu' }, profiles: {}, settings: {} },
  };
}

describe('what running sandboxes speak against', () => {
  let root: string;
  before(() => {
    root = scratch('shims');
  });
  after(() => rmSync(root, { recursive: true }));

  /** Codes of the blockers of a switch between two shims. */
  async function blockers(
    version: string,
    [running, next]: (number | undefined)[],
    more: { restarts?: boolean; sandboxes?: Sandbox[] } = {},
  ) {
    const instance = {
      engine: 'containerd',
      version,
      configPath: '/etc/containerd/config.toml',
      socket: '/run/containerd/containerd.sock',
    };
    const found = await shimFindings(openView(root, {}), {
      found: { engine: engineNamed('containerd')!, instance },
      from: generation(1, running),
      to: generation(2, next),
      sandboxes: more.sandboxes ?? [sandbox],
      restarts: more.restarts ?? false,
    });
    return found.filter(({ level }) => level === 'blocker');
  }

  for (const [version, protocols, wanted] of [
    ['1.7.24', [2, 2], []],
    ['1.7.24', [2, 3], ['shim-protocol']],
    ['2.0.5', [2, 3], []],
    ['2.1.0', [2, 3], ['shim-protocol-mixed']],
    ['2.1.1', [2, 3], ['shim-protocol-mixed']],
    ['2.1.1', [3, 2], []],
    ['2.1.1', [2, 2], []],
    ['2.1.2', [2, 3], []],
    ['2.1.1', [undefined, 3], []],
    ['2.1.1', [2, undefined], []],
  ] as [string, (number | undefined)[], string[]][]) {
    it(`containerd ${version}, from a shim of version ${protocols.join(' to ')}, nothing restarts: ${wanted.join() || 'nothing'}`, async () => {
      const found = await blockers(version, protocols);

      assert.deepEqual(
        found.map(({ code }) => code),
        wanted,
      );
    });
  }

  for (const [version, protocols, wanted] of [
    ['1.7.24', [2, 2], []],
    ['2.0.5', [2, 2], ['engine-forgets-containers']],
    ['2.0.6', [2, 2], []],
    ['2.1.9', [2, 3], []],
    ['2.1.9', [3, 2], ['engine-forgets-containers']],
    ['2.1.9', [3, 3], ['engine-forgets-containers']],
  ] as [string, number[], string[]][]) {
    it(`containerd ${version}, from a shim of version ${protocols.join(' to ')}, with a restart: ${wanted.join() || 'nothing'}`, async () => {
      const found = await blockers(version, protocols, { restarts: true });

      assert.deepEqual(
        found.map(({ code }) => code),
        wanted,
      );
    });
  }

  it('they are named, also behind an alias, with what to do', async () => {
    const [found] = await blockers('2.1.9', [3, 3], { restarts: true, sandboxes: [{ ...sandbox, handler: 'kata' }] });

    assert.match(found?.found ?? '', /shop\/web \(a1b2c3d4e5f6, kata\)/);
    assert.match(found?.next ?? '', /kubectl drain/);
  });

  it('others’ sandboxes, and those that have ended, do not count', async () => {
    const sandboxes = [
      { ...sandbox, handler: 'runc' },
      { ...sandbox, ready: false },
    ];

    const found = await blockers('2.1.9', [3, 3], { restarts: true, sandboxes });

    assert.deepEqual(found, []);
  });
});
