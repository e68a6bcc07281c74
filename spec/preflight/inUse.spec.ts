import assert from 'node:assert/strict';
import { docker } from '../../cli/engines/docker/index.ts';
import type { EngineState, Sandbox } from '../../cli/engines/index.ts';
import type { KataError } from '../../cli/errors/index.ts';
import { refuseInUse, strandedFindings } from '../../cli/preflight/inUse.ts';

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

  it('stopped ones are named, and prevent nothing', () => {
    const [finding, ...more] = strandedFindings(docker, state, ['kata-qemu']);

    assert.deepEqual([finding?.code, finding?.level, more], ['handler-stranded', 'warning', []]);
    assert.match(finding!.found, /^1 stopped container .*: old \(/);
    assert.deepEqual(strandedFindings(docker, state, ['kata-clh']), []);
  });
});
