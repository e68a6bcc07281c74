import assert from 'node:assert/strict';
import { createServer, type RequestListener, type Server } from 'node:http';
import { join } from 'node:path';
import { docker } from '../../cli/engines/docker/index.ts';
import type { EngineState, Instance } from '../../cli/engines/types.ts';
import { type EngineTree, treesOfSpec } from '../support/trees/engineTree.ts';

const id = (digit: string) => digit.repeat(64);
const process = { pid: 1, startedMs: 0, binaryReplaced: false };
const instance: Instance = {
  engine: 'docker',
  configPath: '/etc/docker/daemon.json',
  socket: '/run/docker.sock',
  unit: 'docker.service',
  process,
};

/** A daemon's API as a table of paths: text, or what answers by itself. */
type Answers = Record<string, unknown | RequestListener>;

const well: Answers = {
  '/info': { Runtimes: { runc: { path: 'runc' }, 'kata-qemu': {} }, DefaultRuntime: 'runc' },
  '/version': { Version: '26.1.5' },
  '/containers/json?all=1': [{ Id: id('a') }, { Id: id('b') }, { Id: id('c') }, { Id: '../../info' }, { Id: 7 }, null],
  [`/containers/${id('a')}/json`]: { Name: '/web', HostConfig: { Runtime: 'kata-qemu' }, State: { Running: true } },
  [`/containers/${id('b')}/json`]: { Name: '/old', HostConfig: { Runtime: 'runc' }, State: { Running: false } },
};

describe('Docker’s API', () => {
  const treeOf = treesOfSpec();
  let servers: Server[] = [];
  let asked: string[] = [];

  afterEach(async () => {
    for (const server of servers) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
    servers = [];
    asked = [];
  });

  async function daemon(answers: Answers): Promise<EngineTree> {
    const tree = await treeOf({ '/run/x': '' });
    const server = createServer((request, response) => {
      asked.push(request.url!);
      const answer = answers[request.url!];
      if (typeof answer === 'function') return (answer as RequestListener)(request, response);
      response.statusCode = answer === undefined ? 404 : 200;
      response.end(JSON.stringify(answer ?? { message: 'none' }));
    });
    await new Promise<void>((resolve) => server.listen(join(tree.root, 'run/docker.sock'), resolve));
    servers.push(server);
    return tree;
  }

  const probe = async (answers: Answers, timeoutMs = 10_000): Promise<EngineState> =>
    docker.daemon!.probe((await daemon(answers)).host, instance, timeoutMs);

  it('names handlers, and containers with theirs: running ones and stopped ones; one that is gone meanwhile does not count', async () => {
    const state = await probe(well);

    assert.deepEqual([state.reachable, state.version, state.handlers], [true, '26.1.5', ['kata-qemu', 'runc']]);
    assert.deepEqual(state.sandboxes, [{ id: id('a'), handler: 'kata-qemu', podName: 'web', podNamespace: '', ready: true }]);
    assert.deepEqual(
      state.stopped?.map(({ podName, ready }) => [podName, ready]),
      [['old', false]],
    );
    assert.deepEqual(
      asked.filter((url) => url.includes('..')),
      [],
    );
  });

  it('a daemon that does not run is not asked: systemd would start it', async () => {
    const { process: _, ...stopped } = instance;
    const tree = await daemon(well);

    const state = await docker.daemon!.probe(tree.host, stopped, 1000);

    assert.deepEqual([state.reachable, state.why, asked], [false, 'docker.service does not run', []]);
  });

  const hostile: [string, Answers, RegExp][] = [
    ['another status', { '/info': ((_, response) => response.writeHead(500).end('{}')) as RequestListener }, /its status is 500/],
    ['no JSON', { '/info': ((_, response) => response.end('<html>secret</html>')) as RequestListener }, /no JSON/],
    ['no object', { ...well, '/info': 7 }, /none that can be read/],
    ['handlers that are none', { ...well, '/info': { Runtimes: ['a'] } }, /none that can be read/],
    ['keys that objects inherit', { '/info': ((_, response) => response.end('{"__proto__": 1}')) as RequestListener }, /no JSON/],
    ['a list that is none', { ...well, '/containers/json?all=1': {} }, /none that can be read/],
    ['no end', { '/info': ((_, response) => void response.write('{')) as RequestListener }, /after \d+ ms/],
    ['no beginning', { '/info': (() => undefined) as RequestListener }, /after \d+ ms/],
    ['a hang-up', { '/info': ((_, response) => void response.socket?.destroy()) as RequestListener }, /ECONNRESET|breaks off/],
    [
      'more than there is room for',
      { '/info': ((_, response) => response.end(JSON.stringify({ x: 'y'.repeat(2 * 1024 * 1024) }))) as RequestListener },
      /more than \d+ bytes/,
    ],
    ['too many containers', { ...well, '/containers/json?all=1': Array(5001).fill({ Id: id('a') }) }, /more than 5000 containers/],
  ];
  for (const [what, answers, why] of hostile)
    it(`${what}: it is not reachable, and nothing of the answer is shown`, async () => {
      const state = await probe(answers, 1_000);

      assert.equal(state.reachable, false);
      assert.match(state.why!, why);
      assert.doesNotMatch(state.why!, /secret/);
    });

  it('a reload is done when the daemon says so, and not before', async () => {
    let say: (() => void) | undefined;
    const tree = await daemon({});
    const server = servers[0]!;
    server.removeAllListeners('request');
    server.on('request', (request, response) => {
      asked.push(decodeURIComponent(request.url!));
      response.writeHead(200);
      response.flushHeaders();
      say = () => response.write(`${JSON.stringify({ Type: 'daemon', Action: 'reload' })}\n`);
    });
    let over = false;

    const waiting = docker.daemon!.awaitReload!(tree.host, '/run/docker.sock', 1_700_000_000_123, 60_000).then((why) => {
      over = true;
      return why;
    });
    while (say === undefined) await new Promise((resolve) => setTimeout(resolve, 10));
    const before = over;
    say();

    assert.deepEqual([before, await waiting], [false, undefined]);
    assert.deepEqual(asked, ['/events?since=1700000000.123&filters={"type":["daemon"],"event":["reload"]}']);
  });

  it('a reload of which the daemon never says anything is told in words', async () => {
    const tree = await daemon({ [`/events`]: {} });
    const silent = await docker.daemon!.awaitReload!(tree.host, '/run/docker.sock', 0, 1_000);
    const absent = await docker.daemon!.awaitReload!(tree.host, '/run/none.sock', 0, 1_000);

    assert.match(silent!, /does not say that it has read its files again/);
    assert.match(absent!, /no socket/);
  });
});
