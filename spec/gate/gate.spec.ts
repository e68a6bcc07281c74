import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import type { Engine } from '../../cli/engines/contract.ts';
import type { EngineState, Instance } from '../../cli/engines/types.ts';
import { KataError } from '../../cli/errors/index.ts';
import { allGates } from '../../cli/gate/allGates.ts';
import { labelsAreOn } from '../../cli/gate/effective.ts';
import { liveGate, offlineGate } from '../../cli/gate/gate.ts';
import type { GateRequest } from '../../cli/gate/types.ts';
import type { Host } from '../../cli/host/index.ts';
import type { GenerationManifest } from '../../cli/store/index.ts';
import type { Systemd } from '../../cli/systemd/types.ts';
import { needs } from '../support/needs.ts';
import { scriptedSystemd } from '../support/scriptedSystemd.ts';
import { type GenerationTree, generationTree } from '../support/trees/generationTree.ts';

const unit = 'containerd.service';
const instance: Instance = { engine: 'containerd', configPath: '/etc/containerd/config.toml', socket: '/run/x.sock', unit };
const well: EngineState = {
  reachable: true,
  runtimeReady: true,
  handlers: ['', 'runc', 'kata-qemu'],
  sandboxes: [{ id: 'a'.repeat(64), handler: 'runc', podName: 'web', podNamespace: 'default', ready: true }],
  effective: {},
};

/** What an engine says when it is asked, given as an argument: only the calls of a gate are there. */
function engineSaying(probe: () => EngineState, dump: () => Record<string, unknown> = () => ({})): Engine {
  return {
    name: 'containerd',
    daemon: { probe: async () => probe() },
    dump: {
      dumpEffective: async () => dump(),
      compare: (before: { others?: string[] }, after: { others?: string[] }) => ({
        ours: [],
        others: (after.others ?? []).filter((key) => before.others?.includes(key) !== true),
        warnings: [],
      }),
      showCommand: () => 'containerd config dump',
    },
    cri: {},
  } as unknown as Engine;
}

/** One that knows of sandboxes that were ending before a time: five milliseconds after the epoch began. */
function engineKnowing(probe: () => EngineState, ending: string[]): Engine {
  const engine = engineSaying(probe);
  const endedBefore = async (_host: unknown, _instance: unknown, asked: readonly string[], beforeMs: number) =>
    new Set(beforeMs === 5 ? ending.filter((id) => asked.includes(id)) : []);
  return { ...engine, daemon: { ...engine.daemon!, endedBefore } };
}

/** An engine whose program gives no dump. */
function refusing(fault: unknown): Engine {
  const engine = engineSaying(() => well);
  return { ...engine, dump: { ...engine.dump!, dumpEffective: () => Promise.reject(fault) } };
}

function withHandler(name: string): () => EngineState {
  return () => ({ ...well, handlers: [...well.handlers, name] });
}

type Asked = Partial<Omit<GateRequest, 'to'>> & { now?: () => EngineState; isGone?: boolean };

/** 'proven', or the code and what was found. */
async function outcome(work: Promise<void>): Promise<string> {
  return await work.then(
    () => 'proven',
    (error: unknown) => {
      const { code, complaint } = error as KataError;
      return `${code}: ${complaint.found}`;
    },
  );
}

describe('the gate of a change', () => {
  let tree: GenerationTree;
  let to: GenerationManifest;
  beforeEach(() => {
    tree = generationTree();
    to = tree.add(1);
    tree.activate(1);
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));

  function hostWith(systemd?: Systemd): Host {
    return { ...tree.host, live: true, systemd: async () => systemd, has: async () => false };
  }

  function request({ now = () => well, isGone = false, ...rest }: Asked): GateRequest {
    return {
      engine: engineSaying(now),
      instance,
      baseline: { state: { ...well, handlers: ['', 'runc'] }, dump: {}, dependents: ['kubelet.service'] },
      ...(isGone ? {} : { to }),
      touched: ['kata-qemu'],
      restored: [],
      restarts: false,
      editedByOthers: false,
      policyDenies: false,
      emit: () => undefined,
      signal: new AbortController().signal,
      ...rest,
    };
  }

  async function said(asked: Asked = {}, systemd?: Systemd): Promise<string> {
    return await outcome(liveGate(hostWith(systemd), request(asked)).afterSteps());
  }

  const notReady = (sandbox: EngineState['sandboxes'][number]) => ({ ...well, sandboxes: [{ ...sandbox, ready: false }] });
  /** From the second question on. */
  function endingLater(sandbox: EngineState['sandboxes'][number]): () => EngineState {
    let asked = 0;
    return () => (asked++ === 0 ? well : notReady(sandbox));
  }

  describe('of what the engine lists', () => {
    const sandbox = well.sandboxes[0]!;
    const rows: [what: string, asked: Asked, said: RegExp][] = [
      ['every handler, the earlier ones too', {}, /^proven$/],
      ['no answer', { now: () => ({ ...well, reachable: false, why: 'refused' }) }, /does not answer: refused/],
      ['our handler missing', { now: () => ({ ...well, handlers: ['', 'runc'] }) }, /does not list kata-qemu/],
      ['an earlier handler gone', { now: () => ({ ...well, handlers: ['', 'kata-qemu'] }) }, /the handler runc is gone/],
      ['the default handler gone', { now: () => ({ ...well, handlers: ['runc', 'kata-qemu'] }) }, /handler \(default\) is gone/],
      ['a removed handler still there', { touched: ['kata-qemu', 'kata-old'], now: withHandler('kata-old') }, /still lists kata-old/],
      [
        'one that another program kept in the file',
        { touched: ['kata-qemu', 'kata-old'], editedByOthers: true, now: withHandler('kata-old') },
        /^proven$/,
      ],
      ['a sandbox not ready after the restart', { restarts: true, now: () => notReady(sandbox) }, /\(web\) lost its shim/],
      ['a sandbox that was ready after the restart, and ended later', { restarts: true, now: endingLater(sandbox) }, /^proven$/],
      [
        'a sandbox that was being stopped when the engine went down',
        { restarts: true, lookedMs: 5, engine: engineKnowing(() => notReady(sandbox), [sandbox.id]) },
        /^proven$/,
      ],
      [
        'another one that was',
        { restarts: true, lookedMs: 5, engine: engineKnowing(() => notReady(sandbox), ['b'.repeat(64)]) },
        /\(web\) lost its shim/,
      ],
      ['a sandbox that ended, without a restart', { now: () => notReady(sandbox) }, /^proven$/],
      ['a sandbox that was removed meanwhile', { now: () => ({ ...well, sandboxes: [] }) }, /^proven$/],
      ['ours gone with Kata', { isGone: true, now: () => ({ ...well, handlers: ['', 'runc'] }) }, /^proven$/],
      ['ours still there without Kata', { isGone: true }, /still lists kata-qemu/],
      ['a handler that others serve again', { isGone: true, restored: ['kata-qemu'] }, /^proven$/],
    ];
    for (const [what, asked, wanted] of rows)
      it(`${what}: ${wanted.source}`, async () => {
        assert.match(await said(asked), wanted);
      });
  });

  describe('of the files that the engine was given', () => {
    for (const [what, path] of [
      ['shim', '/etc/kata-sysext/current/payload/bin/shim'],
      ['configuration', '/etc/kata-sysext/current/config/kata-qemu/configuration.toml'],
    ] as const)
      it(`a ${what} with other bytes fails, live and offline`, async () => {
        writeFileSync(await tree.host.locate(await tree.host.realpath(path)), 'other bytes\n');

        const [live, offline] = [await said(), await outcome(offlineGate(tree.host, to, () => undefined).afterSteps())];

        assert.match(live, /^gate-failed: .*does not point at the files of generation 1/);
        assert.equal(offline, live);
      });

    it('an engine whose own mounts hide them fails, with what to look at in its unit', async function () {
      needs(this, 'root');
      const hide = 'mount -t tmpfs none "$1"; echo ready; exec sleep 600';
      const hidden = spawn('unshare', [
        '--mount',
        '--propagation',
        'private',
        '/bin/sh',
        '-ec',
        hide,
        'sh',
        `${tree.root}/etc/kata-sysext`,
      ]);
      await once(hidden.stdout, 'data');
      const { systemd } = scriptedSystemd(() => ({ mainPid: hidden.pid! }));
      const gate = liveGate({ ...hostWith(systemd), booted: true }, request({}));

      const failed = (await gate.afterSteps().catch((error: unknown) => error)) as KataError;
      hidden.kill('SIGKILL');

      assert.equal(failed.code, 'gate-failed');
      assert.match(failed.complaint.found, new RegExp(`^process ${hidden.pid} does not see /etc/kata-sysext/current/payload/`));
      assert.match(
        failed.complaint.next,
        /^let the engine see PID 1’s files at .*systemctl show containerd\.service .*-p TemporaryFileSystem/,
      );
    });

    it('offline there is nothing else to ask, and nothing at all once Kata is gone', async () => {
      const gate = offlineGate(tree.host, to, () => undefined);

      await gate.beforeRestart();

      assert.equal(await outcome(gate.afterSteps()), 'proven');
      assert.deepEqual(await gate.evidence(), []);
      assert.equal(await outcome(offlineGate(tree.host, undefined, () => undefined).afterSteps()), 'proven');
    });
  });

  describe('of SELinux labels', () => {
    const label = (type: string) => `system_u:object_r:${type}:s0`;
    const typeAt = (path: string) => (path.includes('/bin') ? 'bin_t' : 'usr_t');
    const wrongAt = (path: string) => (path.endsWith('/shim') ? 'var_lib_t' : typeAt(path));

    async function labelled(mode: string, found: (path: string) => string): Promise<{ said: string; warnings: string[] }> {
      mkdirSync(tree.path('etc/selinux'));
      writeFileSync(tree.path('etc/selinux/config'), `SELINUX=${mode}\nSELINUXTYPE=targeted\n`);
      const warnings: string[] = [];
      const labelsOf: Host['labelsOf'] = async (paths) =>
        new Map(paths.map((path) => [path, { found: label(found(path)), stock: label(typeAt(path)) }]));
      const gate = offlineGate({ ...tree.host, labelsOf }, to, (event) => 'text' in event && warnings.push(event.text));
      return { said: await outcome(gate.afterSteps()), warnings };
    }

    it('the stock ones are right', async () => {
      const seen = await labelled('enforcing', typeAt);

      assert.deepEqual(seen, { said: 'proven', warnings: [] });
    });

    it('one that keeps pods from starting fails where SELinux enforces, and names the file', async () => {
      const seen = await labelled('enforcing', wrongAt);

      assert.match(seen.said, /^gate-failed: SELinux labels with which no pod would start \(1\): .*\/shim: .*var_lib_t/);
    });

    it('where SELinux only logs it is a warning', async () => {
      const { said: result, warnings } = await labelled('permissive', wrongAt);

      assert.equal(result, 'proven');
      assert.match(warnings.join('\n'), /permissive; where it enforces, no pod would start/);
    });
  });

  describe('before the restart', () => {
    const result = (asked: Asked) => outcome(liveGate(hostWith(), request(asked)).beforeRestart());

    it('passes where the effective configuration differs by our handlers alone', async () => {
      assert.equal(await result({}), 'proven');
    });

    it('fails where another key would change, and names it', async () => {
      const engine = engineSaying(
        () => well,
        () => ({ others: ['plugins.cri.sandbox_image'] }),
      );

      assert.match(await result({ engine }), /^gate-failed: .*more than kata-sysext’s handlers: plugins\.cri\.sandbox_image/);
    });

    it("calls a refusal of the engine's binary a failure of the gate, for the change has begun", async () => {
      const refusal = new KataError('engine-rejects', { found: 'line 3: no table', needed: 'TOML', next: 'look' });
      const engine = refusing(refusal);

      assert.equal(await result({ engine }), 'gate-failed: line 3: no table');
    });

    it('passes on what is no statement about the engine', async () => {
      const engine = refusing(new TypeError('a fault'));

      await assert.rejects(liveGate(hostWith(), request({ engine })).beforeRestart(), TypeError);
    });
  });

  describe('after a restart', () => {
    const running = scriptedSystemd(() => ({})).systemd;

    for (const name of [unit, 'kubelet.service'])
      it(`fails at once where ${name} is down`, async () => {
        const { systemd } = scriptedSystemd((each) => (each === name ? { activeState: 'failed', result: 'exit-code' } : {}));

        const found = await said({ restarts: true, now: () => ({ ...well, runtimeReady: false }) }, systemd);

        assert.equal(found, `gate-failed: ${name} is failed (exit-code)`);
      });

    it('fails where a unit died and came back while it is watched', async () => {
      let asked = 0;
      const { systemd } = scriptedSystemd((name) => (name === unit ? { invocationId: asked++ > 2 ? 'second' : 'first' } : {}));

      assert.match(await said({ restarts: true }, systemd), /containerd\.service died and was started again within 8 s/);
    });

    it('fails where the child that an engine restarts by itself died and came back, while the unit went on', async () => {
      const program = '/var/lib/k0s/bin/containerd';
      const child = (pid: number) => {
        mkdirSync(`${tree.root}/proc/${pid}`, { recursive: true });
        writeFileSync(`${tree.root}/proc/${pid}/stat`, `${pid} (containerd) S 100${' 0'.repeat(18)}\n`);
        writeFileSync(`${tree.root}/proc/${pid}/status`, 'Uid:\t0\t0\t0\t0\n');
        writeFileSync(`${tree.root}/proc/${pid}/cmdline`, `${program}\0`);
        symlinkSync(program, `${tree.root}/proc/${pid}/exe`);
        writeFileSync(`${tree.root}/proc/100/task/100/children`, `${pid} `);
      };
      mkdirSync(`${tree.root}/proc/100/task/100`, { recursive: true });
      writeFileSync(`${tree.root}/proc/uptime`, '1000.00 1000.00\n');
      child(13);
      let asked = 0;
      const { systemd } = scriptedSystemd((name) => {
        if (name === unit && ++asked === 6) child(14);
        return {};
      });

      const found = await said(
        { restarts: true, instance: { ...instance, effect: { by: 'itself', program, watches: '/etc/k0s' } } },
        systemd,
      );

      assert.match(found, /the engine’s process of containerd\.service died and was started again within 8 s/);
    });

    it('ends at a signal', async () => {
      const stop = new AbortController();
      const now = () => {
        stop.abort();
        return { ...well, reachable: false };
      };

      assert.match(await said({ restarts: true, now, signal: stop.signal }, running), /^interrupted/);
    });

    // Both take the eight seconds that an engine is watched: beside each other.
    it('takes an engine that stays up for proven, and gives one up whose CRI plugin is not there', async () => {
      const missing = () => ({ ...well, reachable: false, why: 'unknown service runtime.v1.RuntimeService' });
      let answers = 0;
      const late = () => ({ ...well, runtimeReady: answers++ > 1 });

      const [steady, withoutPlugin] = await Promise.all([
        said({ restarts: true, now: late }, running),
        said({ restarts: true, now: missing }, running),
      ]);

      assert.equal(steady, 'proven');
      assert.match(withoutPlugin, /^gate-failed: the CRI of containerd is not ready after \d+ s: unknown service/);
    });
  });

  describe('of several engines', () => {
    it('asks before a restart the one that restarts, and afterwards each of them', async () => {
      const asked: string[] = [];
      const gateOf = (name: string) => ({
        beforeRestart: async () => void asked.push(`before ${name}`),
        afterSteps: async () => void asked.push(`after ${name}`),
        evidence: async () => [name],
      });
      const gate = allGates(['a', 'b'].map((name) => ({ unit: `${name}.service`, gate: gateOf(name) })));
      const step = { kind: 'restart', unit: 'b.service', by: 'restart', asked: 'b.service', dependents: [], deadlineMs: 1 } as const;

      await gate.beforeRestart({ ...step, dependents: [] });
      await gate.afterSteps();
      const evidence = await gate.evidence();

      assert.deepEqual(
        [asked, evidence],
        [
          ['before b', 'after a', 'after b'],
          ['a', 'b'],
        ],
      );
    });
  });

  describe('of the engine’s SELinux switch', () => {
    const off = { plugins: { x: { enable_selinux: false } } };
    const on = { plugins: { x: { enable_selinux: true } } };
    const keyed = (now: Record<string, unknown>): Engine => ({
      ...engineSaying(
        () => well,
        () => ({ ...now, others: ['plugins.x.enable_selinux'] }),
      ),
      selinux: { keys: [['plugins', 'x', 'enable_selinux']], byDefault: false, setting: 'enable_selinux = true' },
    });

    it('lets its key differ where the plan names it, and nowhere else', async () => {
      const asked = (selinux: GateRequest['selinux']) =>
        outcome(liveGate(hostWith(), request({ engine: keyed(off), ...(selinux === undefined ? {} : { selinux }) })).beforeRestart());

      const said = [await asked('comes'), await asked(undefined)];

      assert.equal(said[0], 'proven');
      assert.match(said[1]!, /would change more than kata-sysext’s handlers/);
    });

    it('fails where the engine gives no labels after its restart', async () => {
      const { systemd } = scriptedSystemd(() => ({}));
      const restarted = (now: Record<string, unknown>) => labelsAreOn(hostWith(systemd), request({ engine: keyed(now), selinux: 'comes' }));

      const said = [await outcome(restarted(on)), await outcome(restarted(off))];

      assert.equal(said[0], 'proven');
      assert.match(said[1]!, /gives pods no SELinux labels/);
    });
  });
});
