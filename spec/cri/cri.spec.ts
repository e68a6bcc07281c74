import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCri } from '../../cli/cri/index.ts';
import { probeCri } from '../../cli/engines/common/probeCri.ts';
import { cri as containerdCri } from '../../cli/engines/containerd/cri.ts';
import { cri as crioCri } from '../../cli/engines/crio/cri.ts';
import { KataError } from '../../cli/errors/index.ts';
import { openView } from '../../cli/host/index.ts';
import { containerdBinaries, type RunningContainerd, startContainerd } from '../support/live/containerdBinary.ts';

const live = openView('/', {});
const kata = `
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata-qemu]
runtime_type = "io.containerd.kata-qemu.v2"
runtime_path = "/x/containerd-shim-kata-v2"
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.kata-qemu.options]
ConfigPath = "/x/configuration.toml"
`;
/** What a drop-in for 1.x would do: only kata named, runc lost. The daemon runs, its CRI does not. */
const brokenCri = kata.replace(/\[plugins[^\n]*runtimes\.runc\]\nruntime_type[^\n]*\n/, '');

for (const binary of containerdBinaries().filter(() => process.getuid?.() === 0)) {
  describe(`cri with containerd ${binary.version}`, () => {
    let running: RunningContainerd | undefined;
    afterEach(async () => {
      await running?.stop();
      running = undefined;
    });

    it('tells handlers, what they lead to, and that it is ready', async () => {
      running = await startContainerd(binary.path, kata);

      const state = await probeCri(live, running.socket, containerdCri.handlersIn, 100_000);

      assert.match(state.version ?? '', new RegExp(`^${binary.version}`));
      assert.deepEqual(
        { ...state, version: '' },
        {
          reachable: true,
          runtimeReady: true,
          version: '',
          handlers: ['kata-qemu', 'runc'],
          sandboxes: [],
          effective: {
            runc: { shim: undefined, configuration: undefined },
            'kata-qemu': { shim: '/x/containerd-shim-kata-v2', configuration: '/x/configuration.toml' },
          },
        },
      );
    });

    it('passes on what the engine answers', async () => {
      running = await startContainerd(binary.path, kata);
      const cri = await openCri(running.socket, 100_000);

      const error: unknown = await cri.sandboxStatus('nosuch').catch((reason: unknown) => reason);
      cri.close();

      assert.ok(error instanceof KataError);
      assert.match(error.message, /PodSandboxStatus with: .*not found/);
      assert.deepEqual(error.complaint.details, { call: 'PodSandboxStatus', grpcStatus: 5 });
    });

    if (binary.version.startsWith('1.')) {
      it('is not fooled by a daemon that runs without its CRI', async () => {
        running = await startContainerd(binary.path, brokenCri);

        const state = await probeCri(live, running.socket, containerdCri.handlersIn, 100_000);

        assert.equal(state.reachable, false);
        assert.match(state.why ?? '', /unknown service runtime\.v1\.RuntimeService/);
      });
    }
  });
}

describe('cri without an engine', () => {
  it('is unreachable without a socket, or with a path that no socket can have', async () => {
    const none = await probeCri(live, '/nonexistent/c.sock', containerdCri.handlersIn, 1000);

    assert.equal(none.reachable, false);
    assert.match(none.why ?? '', /no socket/);
  });

  it('gives up a peer that never answers at the deadline', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ks-cri-'));
    const peers: Socket[] = [];
    const server = createServer((peer) => peers.push(peer));
    const socket = join(folder, 's');
    await new Promise<void>((resolve) => server.listen(socket, resolve));

    const state = await probeCri(live, socket, containerdCri.handlersIn, 300);
    for (const peer of peers) peer.destroy();
    server.close();
    await rm(folder, { recursive: true });

    assert.equal(state.reachable, false);
  });

  it('reads no handlers from text that is none of the known shapes', () => {
    for (const config of ['', '[]', '{', 'null', '{"containerd":{"runtimes":7}}', '{"containerd":null}'])
      assert.deepEqual([containerdCri.handlersIn({ config }), crioCri.handlersIn({ config })], [{}, {}]);
    assert.deepEqual([containerdCri.handlersIn({}), crioCri.handlersIn({})], [{}, {}]);
    assert.deepEqual(crioCri.handlersIn({ config: '{"crio":{"Runtimes":{"kata":{"runtime_path":"/s","runtime_config_path":"/c"}}}}' }), {
      kata: { shim: '/s', configuration: '/c' },
    });
  });
});
