import assert from 'node:assert/strict';
import type { Host } from '../../cli/host/index.ts';
import type { RestartStep } from '../../cli/steps/types.ts';
import { bringUp, dependentsOf, keptDownBy, restartDeadlineMs, restartOf } from '../../cli/steps/units.ts';
import type { Systemd, UnitState } from '../../cli/systemd/types.ts';
import { kindOf } from '../../cli/transaction/stepKinds.ts';
import { scriptedSystemd, unitState } from '../support/scriptedSystemd.ts';

const engine = 'containerd.service';
const step: RestartStep = {
  kind: 'restart',
  unit: engine,
  by: 'restart',
  asked: engine,
  dependents: ['kubelet.service', 'buildkit.service'],
  deadlineMs: 1000,
};

/** A host whose PID 1 is this one, or none. */
function hostWith(systemd: Systemd | undefined, host: Partial<Host> = {}): Host {
  return { ...host, systemd: async () => systemd } as Host;
}

describe('how an engine is made to read its files', () => {
  const renderer = 'nodeadm-run.service';

  it('is a restart of its unit where nothing else is said', async () => {
    const { systemd } = scriptedSystemd(() => ({ requiredBy: ['kubelet.service'], timeoutStartMs: 1000, timeoutStopMs: 2000 }), {
      active: ['kubelet.service'],
    });

    const planned = await restartOf(hostWith(systemd), systemd, { unit: engine });

    assert.deepEqual(planned, { ...step, dependents: ['kubelet.service'], deadlineMs: 13_000 });
  });

  it('is a restart of the unit that writes them, with the dependents of both, and the engine has to be up after it', async () => {
    const required: Record<string, string[]> = { [engine]: ['kubelet.service'], [renderer]: ['late.service', engine] };
    let up = false;
    const { systemd, calls } = scriptedSystemd(
      (unit) => ({ requiredBy: required[unit] ?? [], ...(unit === engine && !up ? { activeState: 'inactive' } : {}) }),
      { active: [engine, 'kubelet.service', 'late.service'] },
    );

    const planned = await restartOf(hostWith(systemd), systemd, { unit: engine, effect: { by: 'restart', unit: renderer } });
    const { problems } = await bringUp(hostWith(systemd), planned);
    up = true;

    assert.deepEqual([planned.asked, planned.unit, planned.dependents], [renderer, engine, ['kubelet.service', 'late.service']]);
    assert.deepEqual(problems, []);
    assert.deepEqual(
      calls.filter((call) => !call.startsWith('reset')),
      [`restart ${renderer}`, `start ${engine}`],
    );
  });

  it('is a restart of the engine as well where the unit that writes the files left it as it was, and of no engine that is new', async () => {
    const calls: Record<string, string[]> = {};
    for (const [name, renews] of [
      ['old nodeadm', false],
      ['new nodeadm', true],
    ] as const) {
      let invocationId = 'first';
      const scripted = scriptedSystemd((unit) => (unit === engine ? { invocationId } : {}), {
        job: (_verb, unit) => {
          if (unit === engine || renews) invocationId = 'second';
          return 'done';
        },
      });
      const planned = await restartOf(hostWith(scripted.systemd), scripted.systemd, {
        unit: engine,
        effect: { by: 'restart', unit: renderer },
      });
      await bringUp(hostWith(scripted.systemd), planned);
      calls[name] = scripted.calls.filter((call) => !call.startsWith('reset'));
    }

    assert.deepEqual(calls, { 'old nodeadm': [`restart ${renderer}`, `restart ${engine}`], 'new nodeadm': [`restart ${renderer}`] });
  });

  it('is a reload where it takes one, and a restart where the unit does not run', async () => {
    const running = scriptedSystemd(() => ({}));
    const stopped = scriptedSystemd(() => ({ activeState: 'failed' }));

    const planned = await restartOf(hostWith(running.systemd), running.systemd, { unit: engine, effect: { by: 'reload' } });
    await bringUp(hostWith(running.systemd), planned);
    await bringUp(hostWith(stopped.systemd), planned);

    assert.equal(kindOf(planned).describe(planned), `reload ${engine}`);
    assert.ok(running.calls.includes(`reload ${engine}`) && !running.calls.includes(`restart ${engine}`));
    assert.ok(stopped.calls.includes(`restart ${engine}`));
  });

  it('is a reload, and no start of a dependent, where another reload is not over yet', async () => {
    const { systemd, calls } = scriptedSystemd(() => ({ activeState: 'reloading' }));
    const planned = { ...step, by: 'reload' as const };

    const { problems } = await bringUp(hostWith(systemd), planned);

    assert.deepEqual(problems, []);
    assert.deepEqual(
      calls.filter((call) => !call.startsWith('reset')),
      [`reload ${engine}`],
    );
  });
});

describe('units that depend on the engine', () => {
  const units: Record<string, Partial<UnitState>> = {
    [engine]: {
      requiredBy: ['kubelet.service'],
      boundBy: ['bound.service'],
      consistsOf: ['part.service'],
      propagatesStopTo: ['stopped.mount'],
    },
    'kubelet.service': { requiredBy: ['above.service', engine] },
    'bound.service': {},
    'part.service': {},
    'above.service': { requisiteOf: ['kubelet.service'] },
    'stopped.mount': {},
  };

  it('are the active ones of each kind of dependency, through others too, in order of their names and without an end', async () => {
    const { systemd } = scriptedSystemd((unit) => units[unit], { active: Object.keys(units) });

    const found = await dependentsOf(hostWith(systemd), engine);

    assert.deepEqual(found, ['above.service', 'bound.service', 'kubelet.service', 'part.service', 'stopped.mount']);
  });

  it('leave out what is not active, and what only an inactive one leads to', async () => {
    const { systemd } = scriptedSystemd((unit) => units[unit], { active: [engine, 'above.service', 'part.service'] });

    const found = await dependentsOf(hostWith(systemd), engine);

    assert.deepEqual(found, ['part.service']);
  });

  it('are none where PID 1 does not answer', async () => {
    assert.deepEqual(await dependentsOf(hostWith(undefined), engine), []);
    assert.deepEqual(await keptDownBy(hostWith(undefined), engine), []);
  });

  it('are kept down by its failure where something that is active wants them', async () => {
    const down: Record<string, Partial<UnitState>> = {
      [engine]: { requiredBy: ['kubelet.service', 'manual.service', 'running.service'] },
      'kubelet.service': { activeState: 'inactive', wantedBy: ['multi-user.target'], requiredBy: ['above.service'] },
      'above.service': { activeState: 'inactive', wantedBy: ['multi-user.target'] },
      'manual.service': { activeState: 'inactive' },
      'running.service': { wantedBy: ['multi-user.target'] },
    };
    const { systemd } = scriptedSystemd((unit) => down[unit], { active: ['multi-user.target', 'running.service'] });

    const found = await keptDownBy(hostWith(systemd), engine);

    assert.deepEqual(found, ['above.service', 'kubelet.service']);
  });
});

describe('the deadline of a restart', () => {
  it("is the unit's two timeouts and a margin; no timeout and an endless one count ten minutes", () => {
    const deadline = (timeoutStopMs: number, timeoutStartMs: number) =>
      restartDeadlineMs(unitState(engine, { timeoutStopMs, timeoutStartMs }));

    assert.equal(deadline(5000, 7000), 22_000);
    assert.equal(deadline(0, 7000), 617_000);
    assert.equal(deadline(Number.POSITIVE_INFINITY, 0), 1_210_000);
  });
});

describe('bringing the engine up', () => {
  it('resets its start limit first, restarts it, and starts only the dependents that are not active', async () => {
    const { systemd, calls } = scriptedSystemd((unit) => (unit === 'buildkit.service' ? { activeState: 'failed' } : {}));

    const { problems } = await bringUp(hostWith(systemd), step);

    assert.deepEqual(problems, []);
    assert.deepEqual(calls, [`reset-failed ${engine}`, `restart ${engine}`, 'reset-failed buildkit.service', 'start buildkit.service']);
  });

  it('names each unit that does not come up, and goes on with the next', async () => {
    const { systemd } = scriptedSystemd(() => ({ activeState: 'inactive' }), {
      job: (_, unit) => (unit === 'buildkit.service' ? 'done' : 'failed'),
    });
    const throwing: Systemd = {
      ...systemd,
      start: (unit, ms) => (unit === 'kubelet.service' ? Promise.reject(new Error('no such unit')) : systemd.start(unit, ms)),
    };

    const { problems } = await bringUp(hostWith(throwing), step);

    assert.equal(problems.length, 2);
    assert.match(problems[0]!, /restart of containerd\.service ended as failed/);
    assert.match(problems[1]!, /start of kubelet\.service failed: Error: no such unit/);
  });

  it('throws where PID 1 does not answer: another try can help', async () => {
    await assert.rejects(bringUp(hostWith(undefined), step), (error: { code?: string }) => error.code === 'failed');
  });

  it('fails the step of a restart with `gate-failed`', async () => {
    const { systemd } = scriptedSystemd(() => ({}), { job: () => 'timeout' });

    const applied = kindOf(step).apply(hostWith(systemd), step, {}, { save: async () => undefined, path: () => '' }, () => undefined);

    await assert.rejects(
      applied,
      (error: { code?: string; message?: string }) => error.code === 'gate-failed' && /timeout/.test(error.message!),
    );
  });
});
