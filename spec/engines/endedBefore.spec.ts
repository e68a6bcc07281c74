import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadPackageDefinition, Server, ServerCredentials, type ServiceDefinition, status } from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import protobuf from 'protobufjs';
import { asset } from '../../cli/assets/index.ts';
import { endedBefore } from '../../cli/engines/common/endedBefore.ts';
import { openView } from '../../cli/host/index.ts';

const restartMs = 1_790_000_000_000;
const earlier = `${restartMs - 1}000000`;
const later = `${restartMs + 1}000000`;

type Row = [sandbox: string, state: string, finished: string];

/** A stand-in for the CRI, which has these containers and answers nothing else. */
async function criWith(rows: Row[], socket: string): Promise<Server> {
  const options = { keepCase: true, longs: String, enums: String, defaults: true };
  const definition = fromJSON(protobuf.parse(asset('templates/cri.proto'), { keepCase: true }).root.toJSON(), options);
  const loaded = loadPackageDefinition(definition) as unknown as { runtime: { v1: { RuntimeService: { service: ServiceDefinition } } } };
  const server = new Server();
  type Answer = (error: { code: number } | null, value?: unknown) => void;
  const containers = rows.map(([pod_sandbox_id, state], id) => ({ id: `${id}`, pod_sandbox_id, state }));
  server.addService(loaded.runtime.v1.RuntimeService.service, {
    ListContainers: (_call: unknown, answer: Answer) => answer(null, { containers }),
    ContainerStatus: ({ request }: { request: { container_id: string } }, answer: Answer) => {
      const [, state, finished_at] = rows[Number(request.container_id)]!;
      if (state === 'gone') return answer({ code: status.NOT_FOUND });
      answer(null, { status: { id: request.container_id, state, finished_at } });
    },
  });
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error))),
  );
  return server;
}

describe('sandboxes that were ending before a restart', () => {
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'ks-ended-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('are those whose containers had all ended, by the word of the engine', async () => {
    const rows: Row[] = [
      ['stopped', 'CONTAINER_EXITED', earlier],
      ['stopped', 'CONTAINER_EXITED', earlier],
      ['lost', 'CONTAINER_EXITED', later],
      ['half', 'CONTAINER_EXITED', earlier],
      ['half', 'CONTAINER_EXITED', later],
      ['runs', 'CONTAINER_RUNNING', '0'],
      ['never', 'CONTAINER_EXITED', '0'],
      ['early', 'CONTAINER_EXITED', '-1'],
      ['removed', 'CONTAINER_EXITED', earlier],
      ['removed', 'gone', ''],
      ['long ago', 'CONTAINER_EXITED', `${restartMs - 61_000}000000`],
      ['notAsked', 'CONTAINER_EXITED', earlier],
    ];
    const server = await criWith(rows, join(folder, 'cri.sock'));

    const asked = ['stopped', 'lost', 'half', 'runs', 'never', 'early', 'empty', 'long ago', 'removed'];
    const ended = await endedBefore(openView(folder, {}), '/cri.sock', asked, restartMs, 60_000);
    server.forceShutdown();

    assert.deepEqual([...ended], ['stopped', 'removed']);
  });

  it('are none where nobody answers', async () => {
    const ended = await endedBefore(openView(folder, {}), '/nothing.sock', ['stopped'], restartMs, 1000);

    assert.deepEqual([...ended], []);
  });
});
