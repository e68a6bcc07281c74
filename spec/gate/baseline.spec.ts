import assert from 'node:assert/strict';
import type { Engine } from '../../cli/engines/contract.ts';
import type { EngineState, Instance } from '../../cli/engines/types.ts';
import { logTail } from '../../cli/gate/evidence.ts';
import { harmless, takeBaseline } from '../../cli/gate/index.ts';
import type { HostView } from '../../cli/host/index.ts';
import type { Systemd } from '../../cli/systemd/types.ts';
import { scriptedSystemd } from '../support/scriptedSystemd.ts';

const unit = 'containerd.service';
const instance: Instance = { engine: 'containerd', configPath: '/etc/containerd/config.toml', socket: '/run/x.sock', unit };
const state: EngineState = { reachable: true, runtimeReady: true, handlers: ['runc'], sandboxes: [], effective: {} };

function engineIn(now: EngineState): Engine {
  return {
    name: 'containerd',
    daemon: { probe: async () => now },
    dump: { dumpEffective: async () => ({ version: 2 }) },
  } as unknown as Engine;
}

function hostWith(systemd: Systemd | undefined, log?: string): HostView {
  const run: HostView['run'] = async (program, args) => {
    assert.deepEqual([program, args.includes(unit)], ['journalctl', true]);
    return { code: 0, stdout: log ?? '', stderr: '' };
  };
  return { systemd: async () => systemd, has: async () => log !== undefined, run } as unknown as HostView;
}

describe('the baseline of a change', () => {
  it('is what the engine lists, its effective configuration, its unit, and the active units that depend on it', async () => {
    const { systemd } = scriptedSystemd((name) => (name === unit ? { requiredBy: ['kubelet.service'] } : {}), {
      active: ['kubelet.service'],
    });

    const baseline = await takeBaseline(hostWith(systemd), engineIn(state), instance);

    assert.deepEqual(baseline.state, state);
    assert.deepEqual(baseline.dump, { version: 2 });
    assert.equal(baseline.unit?.unit, unit);
    assert.deepEqual(baseline.dependents, ['kubelet.service']);
  });

  it('of an engine without a unit has none, and no dependents', async () => {
    const { unit: _unit, ...alone } = instance;

    const baseline = await takeBaseline(hostWith(undefined), engineIn(state), alone);

    assert.deepEqual([baseline.unit, baseline.dependents], [undefined, []]);
  });

  it('is refused where the engine does not even work before the change', async () => {
    const taken = takeBaseline(hostWith(undefined), engineIn({ ...state, reachable: false, why: 'connection refused' }), instance);

    await assert.rejects(taken, (error: { code?: string; message?: string }) => {
      assert.match(error.message!, /does not answer on \/run\/x\.sock: connection refused/);
      return error.code === 'engine-unhealthy';
    });
  });
});

describe('the evidence of a failed change', () => {
  const log = [
    '2026-01-01T00:00:00 host containerd[1]: failed to load plugin: no such file',
    'time="2026" level=info msg="Start cri plugin with config {PluginConfig:{Registry:{Auths:map[]}}}"',
    'X-Registry-Token: abc',
    '',
    'x'.repeat(700),
  ].join('\n');

  it('is the state of each unit and the last lines of the log, without any that may show a secret', async () => {
    const { systemd } = scriptedSystemd((name) =>
      name === unit ? { activeState: 'failed', subState: 'failed', result: 'exit-code' } : {},
    );

    const seen = await logTail(hostWith(systemd, log), unit, ['kubelet.service']);

    assert.deepEqual(seen, [
      'containerd.service: failed (failed), result exit-code',
      'kubelet.service: active (running), result success',
      log.split('\n')[0],
    ]);
  });

  it('is only the states where there is no journal, and nothing where no unit is known or PID 1 does not answer', async () => {
    const { systemd } = scriptedSystemd(() => ({}));

    const [noJournal, noUnit, noBus] = [
      await logTail(hostWith(systemd), unit, []),
      await logTail(hostWith(systemd, log), undefined, []),
      await logTail(hostWith(undefined, log), unit, []),
    ];

    assert.deepEqual([noJournal, noUnit, noBus], [['containerd.service: active (running), result success'], [], []]);
  });

  const lines: [line: string, shown: 'shown' | 'left out'][] = [
    ['failed to load plugin', 'shown'],
    ['configuration: {"registry":1}', 'left out'],
    ['config [a b]', 'left out'],
    ['the password is x', 'left out'],
    ['Authorization: Basic eA==', 'left out'],
    ['x-meta-key: v', 'left out'],
    ['SECRET=1', 'left out'],
    ['', 'left out'],
    ['y'.repeat(599), 'shown'],
    ['y'.repeat(600), 'left out'],
  ];
  for (const [line, wanted] of lines)
    it(`a line of ${line.length} characters, ${JSON.stringify(line.slice(0, 40))}, is ${wanted}`, () => {
      assert.equal(harmless(line) ? 'shown' : 'left out', wanted);
    });
});
