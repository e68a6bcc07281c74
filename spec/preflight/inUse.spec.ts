import assert from 'node:assert/strict';
import { containerd } from '../../cli/engines/containerd/index.ts';
import type { Engine } from '../../cli/engines/contract.ts';
import { crio } from '../../cli/engines/crio/index.ts';
import { docker } from '../../cli/engines/docker/index.ts';
import type { EngineState, Sandbox } from '../../cli/engines/index.ts';
import type { Instance } from '../../cli/engines/types.ts';
import type { KataError } from '../../cli/errors/index.ts';
import type { HostView } from '../../cli/host/index.ts';
import { refuseInUse, refuseInUseNow, strandedFindings } from '../../cli/preflight/inUse.ts';
import { refuseDefault } from '../../cli/preflight/switch.ts';

const container = (podName: string, handler: string, ready: boolean): Sandbox => ({
  id: podName.padEnd(64, '0'),
  handler,
  podName,
  podNamespace: '',
  ready,
});
const state: EngineState = {
  reachable: true,
  runtimeReady: true,
  handlers: [],
  sandboxes: [container('web', 'kata-qemu', true), container('db', 'runc', true)],
  stopped: [container('old', 'kata-qemu', false), container('older', 'runc', false)],
  effective: {},
};

describe('handlers that go while an engine has containers of them', () => {
  it('running ones prevent it, in the words of the engine; others’ do not count', () => {
    const refused = () => refuseInUse(docker, state, ['kata-qemu']);

    assert.throws(refused, ({ complaint, code }: KataError) => {
      assert.match(complaint.found, /^1 container of handlers .*: web \(web0+, kata-qemu\)$/);
      assert.match(complaint.next, /docker rm -f/);
      return code === 'handler-in-use';
    });
    assert.doesNotThrow(() => refuseInUse(docker, state, ['kata-clh']));
  });

  it('running ones prevent it before an archive is fetched, where the engine answers and the host is live', async () => {
    const engine = { ...docker, daemon: { ...docker.daemon!, probe: async () => state } } as Engine;
    const away = { ...docker, daemon: { ...docker.daemon!, probe: async () => ({ ...state, reachable: false }) } } as Engine;
    const found = (each: Engine) => [{ engine: each, instance: {} as Instance }] as Parameters<typeof refuseInUseNow>[1];
    const host = (live: boolean) => ({ live }) as HostView;

    await assert.rejects(refuseInUseNow(host(true), found(engine), ['kata-qemu']), { code: 'handler-in-use' });
    await refuseInUseNow(host(true), found(engine), ['kata-clh']);
    await refuseInUseNow(host(true), found(away), ['kata-qemu']);
    await refuseInUseNow(host(false), found(engine), ['kata-qemu']);
  });

  it('stopped ones are named, and prevent nothing', () => {
    const [finding, ...more] = strandedFindings(docker, state, ['kata-qemu']);

    assert.deepEqual([finding?.code, finding?.level, more], ['handler-stranded', 'warning', []]);
    assert.match(finding!.found, /^1 stopped container .*: old \(/);
    assert.deepEqual(strandedFindings(docker, state, ['kata-clh']), []);
  });
});

describe('a handler that goes while the engine’s configuration names it as the default one', () => {
  const instance = (unit: string): Instance => ({
    engine: 'x',
    configPath: '/etc/x',
    unit,
    process: { pid: 1, startedMs: 0, binaryReplaced: false },
  });
  const cri = (plugin: string) => ({ plugins: { [plugin]: { containerd: { default_runtime_name: 'kata-qemu' } } } });
  const rows: [Engine, Record<string, unknown>, RegExp][] = [
    [containerd, cri('io.containerd.grpc.v1.cri'), /default_runtime_name = "runc".*; systemctl restart a.service; then/],
    [containerd, cri('io.containerd.cri.v1.runtime'), /default_runtime_name = "runc"/],
    [crio, { crio: { runtime: { default_runtime: 'kata-qemu' } } }, /default_runtime = "crun"/],
    [docker, { 'default-runtime': 'kata-qemu' }, /"default-runtime": "runc"/],
  ];
  for (const [engine, dump, next] of rows)
    it(`prevents the change, and says what to set: ${engine.title}, ${Object.keys(dump)}`, () => {
      const found = { engine, instance: instance('a.service') };

      const refused = () => refuseDefault(found, dump, ['kata-clh', 'kata-qemu']);

      assert.throws(refused, ({ code, complaint }: KataError) => code === 'handler-is-default' && next.test(complaint.next));
      assert.doesNotThrow(() => refuseDefault(found, dump, ['kata-clh']));
      assert.doesNotThrow(() => refuseDefault(found, {}, ['kata-qemu']));
    });
});
