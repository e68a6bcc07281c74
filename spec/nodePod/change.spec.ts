import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Call, Reply } from '../../cli/commands/types.ts';
import { KataError } from '../../cli/errors/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { stepCalled } from '../../cli/nodePod/index.ts';
import { change } from '../../cli/nodePod/steps/change.ts';
import type { Event } from '../../cli/output/index.ts';
import { requestDigest, requestOf } from '../../cli/requests/index.ts';
import type { TransientService } from '../../cli/systemd/types.ts';
import { removeAfter } from '../support/endings.ts';
import { scriptedSystemd } from '../support/scriptedSystemd.ts';

const observing = { apiVersion: 'kata-sysext/v1', kind: 'Request', mode: 'observe' };
const installing = { ...observing, mode: 'install', bundles: [{ from: 'kata@4.1.0' }] };
const uninstalling = { ...observing, mode: 'uninstall' };
const digestOf = (request: object) => requestDigest(requestOf(JSON.stringify(request), 'request'));
const nameOf = (request: object) => digestOf(request).slice('sha256:'.length, 'sha256:'.length + 12);
const unitOf = (request: object) => `kata-sysext-request-${nameOf(request)}.service`;

/** A node whose systemd is a stand-in: what its unit would do is done by the test. */
interface StandIn {
  root: string;
  services: TransientService[];
  /** What runs. */
  living: string[];
  /** Does what `apply` does, and ends the unit. */
  finish(request: object, more?: { report?: object | false; out?: object; status?: number | string }): void;
  run(request: object | string | undefined, env?: Record<string, string>, pollMs?: number): Promise<Reply>;
  events: Event[];
}

describe('the step change of a node pod', function () {
  this.timeout(60_000);
  let folder: string;
  let count = 0;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-node-pod-'));
    writeFileSync(join(folder, 'program'), 'the program');
  });
  removeAfter(() => folder);

  function standIn({ onStart = () => undefined }: { onStart?: (node: StandIn, service: TransientService) => void } = {}): StandIn {
    count += 1;
    const root = join(folder, `node-${count}`);
    mkdirSync(join(root, 'var/lib/kata-sysext'), { recursive: true });
    mkdirSync(join(root, 'etc/kata-sysext'), { recursive: true });
    const at = (path: string) => join(root, path);
    const { systemd } = scriptedSystemd((unit) => ({ activeState: node.living.includes(unit) ? 'active' : 'inactive' }));
    const node: StandIn = {
      root,
      services: [],
      living: [],
      events: [],
      finish: (request, { report = { state: 'done', ready: true, reason: 'as requested' }, out, status = 0 } = {}) => {
        const whole = { ...reportOf(request), ...report };
        if (report !== false) writeFileSync(at('etc/kata-sysext/report.json'), JSON.stringify(whole, null, 2));
        const files = `var/lib/kata-sysext/pod/request-${nameOf(request)}`;
        writeFileSync(at(`${files}.out`), JSON.stringify(out ?? whole));
        writeFileSync(at(`${files}.status`), `${status}\n`);
        node.living = node.living.filter((each) => each !== unitOf(request));
      },
      run: (request, env = {}, pollMs = 5) => {
        const host = openHost(root, {});
        const text = typeof request === 'object' ? JSON.stringify(request) : request;
        const call = {
          words: ['change'],
          options: {},
          io: { env: { ...(text === undefined ? {} : { KATA_SYSEXT_REQUEST: text }), ...env }, stderr: { write: () => true } },
          context: {
            host,
            programFile: join(folder, 'program'),
            emit: (event: Event) => node.events.push(event),
            signal: new AbortController().signal,
          },
        } as unknown as Call;
        const connect = async () => ({
          ...systemd,
          livingUnits: async () => [...node.living],
          startTransient: async (service: TransientService) => {
            node.services.push(service);
            node.living.push(service.unit);
            onStart(node, service);
          },
        });
        return change(call, { connect, pollMs });
      },
    };
    return node;
  }

  const reportOf = (request: object) => ({
    apiVersion: 'kata-sysext/v1',
    kind: 'NodeReport',
    request: digestOf(request),
    mode: (request as { mode: string }).mode,
    state: 'done',
    ready: true,
    reason: 'as requested',
    handlers: [],
    engine: 'containerd 2.1.9',
    system: 'debian 13',
    restarts: 0,
    at: '2026-11-30T14:00:00.000Z',
  });

  const complaint = async (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'none',
      (error: unknown) => (error instanceof KataError ? `${error.code}: ${error.complaint.found}` : String(error)),
    );

  it('puts program and request on the node, has a shell of the node run them with an environment of its own, and takes away the output', async () => {
    const node = standIn({ onStart: (each) => each.finish(installing) });
    const reply = await node.run(installing, { PATH: '/hostile', LD_PRELOAD: '/hostile', https_proxy: 'http://hostile' });
    const pod = join(node.root, 'var/lib/kata-sysext/pod');
    const [service] = node.services;

    assert.deepEqual(reply.text, ['✓ done: as requested']);
    assert.equal(reply.exitCode ?? 0, 0);
    assert.deepEqual(readdirSync(pod).sort(), ['kata-sysext', `request-${nameOf(installing)}.json`]);
    assert.equal(readFileSync(join(pod, 'kata-sysext'), 'utf8'), 'the program');
    assert.deepEqual(JSON.parse(readFileSync(join(pod, `request-${nameOf(installing)}.json`), 'utf8')), installing);
    assert.deepEqual(
      [statSync(pod), statSync(join(pod, 'kata-sysext'))].map(({ mode }) => (mode & 0o777).toString(8)),
      ['700', '700'],
    );
    assert.equal(service?.unit, unitOf(installing));
    assert.deepEqual(service?.environment, [`KATA_SYSEXT_UNIT=${unitOf(installing)}`, 'KATA_SYSEXT_USER=', 'INIT_CWD=/']);
    assert.match(service?.argv.join(' ') ?? '', /^\/bin\/sh -c exec \/var\/lib\/kata-sysext\/pod\/kata-sysext apply [a-z0-9/.>& -]+$/);
    assert.doesNotMatch(service?.argv.join(' ') ?? '', /ready-since/);
  });

  it('fails where the node waits, so that the kubelet runs it again, and not where the request failed', async () => {
    const endedWith = async (state: string) => {
      const report = { ...reportOf(installing), state, ready: false, reason: 'pods of the handler run' };
      const node = standIn({ onStart: (each) => each.finish(installing, { report }) });
      return (await node.run(installing)).exitCode ?? 0;
    };

    assert.deepEqual([await endedWith('waiting'), await endedWith('failed')], [1, 0]);
  });

  it('writes nothing where the same is there, and removes what an earlier request left', async () => {
    const node = standIn({ onStart: (each, { unit }) => each.finish(unit === unitOf(installing) ? installing : observing) });
    await node.run(observing);
    const pod = join(node.root, 'var/lib/kata-sysext/pod');
    await node.run(installing);
    const seen = () => readdirSync(pod).map((name) => `${name} ${statSync(join(pod, name)).ino} ${statSync(join(pod, name)).ctimeMs}`);
    const before = seen();
    await node.run(installing);

    assert.deepEqual(seen(), before);
    assert.deepEqual(readdirSync(pod).sort(), ['kata-sysext', `request-${nameOf(installing)}.json`]);
  });

  it('replaces a program of other bytes, a longer one too', async () => {
    const node = standIn({ onStart: (each) => each.finish(observing) });
    await node.run(observing);
    const program = join(node.root, 'var/lib/kata-sysext/pod/kata-sysext');
    writeFileSync(program, 'another, longer program');
    await node.run(observing);

    assert.equal(readFileSync(program, 'utf8'), 'the program');
  });

  it('follows a unit that does the same, waits for another one, and begins a higher retry after the lower one', async () => {
    // The first run goes on until the test ends it. Under load one of its two followers may find its output taken, and asks once more.
    const node = standIn({
      onStart: (each, { unit }) => {
        if (unit === unitOf(installing)) each.finish(installing);
        else if (each.services.length > 1) each.finish(observing);
      },
    });
    const first = node.run(observing);
    await until(() => node.services.length === 1);
    const second = node.run(observing);
    // Slower than those that follow: these have read the end before the next run begins.
    const third = node.run(installing, {}, 500);
    const fourth = node.run({ ...observing, retry: 1 }, {}, 500);
    await until(() => node.events.length === 3);
    const started = node.services.length;
    node.finish(observing);
    const replies = await Promise.all([first, second, third, fourth].map((each) => complaint(each)));

    assert.equal(started, 1);
    assert.deepEqual(
      new Set(node.events.slice(0, 3).map((event) => ('text' in event ? event.text : ''))),
      new Set([`this request runs already: ${unitOf(observing)} is followed`, `another request runs: waiting for ${unitOf(observing)}`]),
    );
    assert.deepEqual(new Set(node.services.map(({ unit }) => unit)), new Set([unitOf(observing), unitOf(installing)]));
    assert.ok(node.services.length >= 3, `${node.services.length} runs`);
    // One that asks once more, after the next request has begun, says so.
    const overtaken = /^node-pod-unit: the report in \S+ is on another request$/;
    assert.deepEqual(
      replies.map((reply, index) => (index < 2 && overtaken.test(reply) ? 'none' : reply)),
      ['none', 'none', 'none', 'none'],
    );
  });

  it('asks once more where another pod has taken what its unit wrote, and then says so', async () => {
    const isEnded = (each: StandIn) => {
      each.living = [];
    };
    const taken = standIn({ onStart: (each) => (each.services.length === 1 ? isEnded(each) : each.finish(observing)) });
    const silent = standIn({ onStart: isEnded });
    const said = await Promise.all([complaint(taken.run(observing)), complaint(silent.run(observing))]);

    assert.equal(said[0], 'none');
    assert.match(said[1]!, /^node-pod-unit: /);
    assert.deepEqual([taken.services.length, silent.services.length], [2, 2]);
  });

  it('observes in place of an installation while its DaemonSet has its first template, unless waves are none', async () => {
    const modes: unknown[] = [];
    const request = { current: installing as object };
    const node = standIn({
      onStart: (each) => {
        const [name] = readdirSync(join(each.root, 'var/lib/kata-sysext/pod')).filter((one) => one.endsWith('.json'));
        request.current = JSON.parse(readFileSync(join(each.root, 'var/lib/kata-sysext/pod', name!), 'utf8')) as object;
        modes.push((request.current as { mode: string }).mode);
        each.finish(request.current);
      },
    });
    const first = await node.run(installing, { KATA_SYSEXT_TEMPLATE_GENERATION: '1', KATA_SYSEXT_WAVES: '' });
    await node.run(installing, { KATA_SYSEXT_TEMPLATE_GENERATION: '1', KATA_SYSEXT_WAVES: 'none' });
    await node.run(installing, { KATA_SYSEXT_TEMPLATE_GENERATION: '2' });
    await node.run(installing);

    assert.deepEqual(modes, ['observe', 'install', 'install', 'install']);
    assert.match(first.text[1]!, /^observed only: this DaemonSet is new/);
  });

  it('takes the pod and the report of a request only, and no error or status of the unit for success', async () => {
    const rows: [string, (node: StandIn) => void][] = [
      [
        'node-pod-unit: it went wrong [internal]',
        (node) => node.finish(observing, { out: { kind: 'Error', code: 'internal', found: 'it went wrong' }, status: 1 }),
      ],
      ['node-pod-unit: the program ended without a report [no answer]', (node) => node.finish(observing, { out: [] as unknown as object })],
      [
        'node-pod-unit: the program ended without a report [no answer]',
        (node) => node.finish(observing, { report: { request: digestOf(installing) } }),
      ],
      ['node-pod-unit: there is no report in /etc/kata-sysext', (node) => node.finish(observing, { report: false })],
      ['node-pod-unit: the node does not let', (node) => node.finish(observing, { status: 126 })],
      ['node-pod-unit: /var/lib/kata-sysext/pod/kata-sysext is not there', (node) => node.finish(observing, { status: 127 })],
      ['node-pod-unit: systemd of the node could not start /bin/sh', (node) => node.finish(observing, { status: 203 })],
      [
        'node-pod-unit: the change’s own unit did not end by itself: it was ended by signal KILL',
        (node) => node.finish(observing, { status: 'KILL' }),
      ],
    ];

    const said: string[] = [];
    for (const [, onStart] of rows) said.push(await complaint(standIn({ onStart }).run(observing)));

    for (const [index, [wanted]] of rows.entries()) assert.ok(said[index]!.startsWith(wanted), `${said[index]} / ${wanted}`);
  });

  it('has an answer of its own for each state, and ends well whatever the node made of the request', async () => {
    const failed = { state: 'failed', ready: false, reason: 'the engine did not come up', code: 'gate-failed' };
    const node = standIn({ onStart: (each) => each.finish(observing, { report: failed, status: 1 }) });

    const reply = await node.run(observing);

    assert.deepEqual([reply.text, reply.exitCode ?? 0], [['✗ failed: the engine did not come up [gate-failed]'], 0]);
  });

  it('refuses a request as the file of one is refused, before anything is on the node', async () => {
    const node = standIn();
    const requests: (string | undefined)[] = [
      undefined,
      '',
      '[]',
      '{"mode":"install"}',
      JSON.stringify({ ...installing, more: 1 }),
      JSON.stringify(observing).replace('"mode"', '"mode":"install","mode"'),
      JSON.stringify({ ...observing, settings: ['a='.padEnd(70_000, 'x')] }),
      JSON.stringify({ ...observing, __proto__: undefined }).replace('{', '{"__proto__":{},'),
    ];

    const said: string[] = [];
    for (const request of requests) said.push((await complaint(node.run(request))).split(':')[0]!);

    assert.deepEqual(said, ['node-pod-unfit', ...requests.slice(1).map(() => 'request-unfit')]);
    assert.deepEqual(readdirSync(join(node.root, 'var/lib/kata-sysext')), []);
  });

  it('follows no link that lies in the folders of the node', async () => {
    const [linked, open, linkedFile] = [standIn(), standIn(), standIn({ onStart: (each) => each.finish(observing) })];
    mkdirSync(join(folder, 'elsewhere'), { recursive: true });
    symlinkSync(join(folder, 'elsewhere'), join(linked.root, 'var/lib/kata-sysext/pod'));
    mkdirSync(join(open.root, 'var/lib/kata-sysext/pod'));
    chmodSync(join(open.root, 'var/lib/kata-sysext/pod'), 0o777);
    mkdirSync(join(linkedFile.root, 'var/lib/kata-sysext/pod'), { mode: 0o700 });
    writeFileSync(join(folder, 'target'), 'of another');
    for (const name of ['kata-sysext', '.kata-sysext.kata-sysext', `request-${nameOf(observing)}.json`])
      symlinkSync(join(folder, 'target'), join(linkedFile.root, 'var/lib/kata-sysext/pod', name));

    const said = [await complaint(linked.run(observing)), await complaint(open.run(observing)), await complaint(linkedFile.run(observing))];

    assert.deepEqual(
      said.map((each) => each.split(':')[0]),
      ['node-pod-unfit', 'node-pod-unfit', 'none'],
    );
    assert.deepEqual([readdirSync(join(folder, 'elsewhere')), readFileSync(join(folder, 'target'), 'utf8')], [[], 'of another']);
  });

  it('removes all of the pod after an uninstall, and says the same again without a unit', async () => {
    const node = standIn({ onStart: (each) => each.finish(uninstalling, { report: { reason: 'Kata was uninstalled' } }) });
    writeFileSync(join(node.root, 'var/lib/kata-sysext/requests.json'), '{}');

    const gone = await node.run(uninstalling);
    const left = readdirSync(join(node.root, 'var/lib/kata-sysext'));
    const again = await node.run(uninstalling);

    assert.deepEqual([gone.text, left], [['✓ done: Kata was uninstalled'], []]);
    assert.deepEqual(again.text, gone.text);
    assert.equal(node.services.length, 1);
  });

  it('says that a node has no bus', async () => {
    const node = standIn();
    const call = {
      io: { env: { KATA_SYSEXT_REQUEST: JSON.stringify(observing) } },
      context: { host: openHost(node.root, {}), programFile: 'x' },
    };

    const said = await complaint(change(call as unknown as Call, { connect: async () => undefined }));

    assert.match(said, /^node-pod-bus: /);
  });

  it('knows its steps by name, and no name that every object has', async () => {
    const said = [await complaint(stepCalled('constructor')), await complaint(stepCalled('change'))];

    assert.match(said[0]!, /^usage: node-pod has no step constructor$/);
    assert.equal(said[1], 'none');
  });
});

async function until(is: () => boolean): Promise<void> {
  for (let tries = 0; !is(); tries++) {
    if (tries > 6000) throw new Error('it does not come');
    await sleep(5);
  }
}
