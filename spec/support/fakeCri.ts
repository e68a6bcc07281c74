import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type * as Grpc from '@grpc/grpc-js';
import type { PodSandbox } from '../../cli/cri/index.ts';
import { repo } from './program.ts';

/** The fields of all requests that a spec looks at. */
interface Request {
  config: Pick<PodSandbox, 'metadata' | 'labels'>;
  runtime_handler: string;
  pod_sandbox_id: string;
  container_id: string;
}

type Answer = (request: Request) => object | Promise<object>;

/** A stand-in for an engine's CRI on a real socket: it keeps sandboxes as an engine does, and answers else what a spec wants. */
export interface FakeCri {
  socket: string;
  /** In order: 'RunPodSandbox kata-qemu', 'StopPodSandbox 1'. */
  calls: string[];
  sandboxes: Map<string, Partial<PodSandbox>>;
  /** By the call's name, in place of what it does else; `refusal` as an answer is one of gRPC's. */
  answers: Record<string, Answer>;
  handlers: string[];
  /** As after a crash: every connection breaks, and nothing listens any more. */
  stop(): void;
}

/** For a handler of FakeCri.answers: gRPC's status, and the engine's words. */
export function refusal(details: string, code = 2): Error {
  return Object.assign(new Error(details), { code, details });
}

const changing = /^(Run|Stop|Remove|Create|Start|Exec)/;

export async function fakeCri(socket: string, handlers: string[] = ['runc', 'kata-qemu']): Promise<FakeCri> {
  mkdirSync(dirname(socket), { recursive: true });
  const grpc = exportsOf(await import('@grpc/grpc-js'));
  const server = new grpc.Server();
  const cri: FakeCri = { socket, calls: [], sandboxes: new Map(), answers: {}, handlers, stop: () => server.forceShutdown() };
  const usual = usualAnswers(cri);
  for (const definition of Object.values(await services(grpc))) {
    const methods = Object.keys(definition.service).map((name) => {
      const answer = async ({ request }: { request: Request }, give: Grpc.sendUnaryData<object>) => {
        if (changing.test(name)) cri.calls.push(`${name} ${subjectOf(request)}`);
        try {
          give(null, await (cri.answers[name] ?? usual[name] ?? (() => ({})))(request));
        } catch (error) {
          give(error as Error);
        }
      };
      return [name, answer] as const;
    });
    server.addService(definition.service, Object.fromEntries(methods));
  }
  await new Promise<void>((resolve, reject) =>
    server.bindAsync(`unix:${socket}`, grpc.ServerCredentials.createInsecure(), (error) => (error === null ? resolve() : reject(error))),
  );
  return cri;
}

function subjectOf(request: Partial<Request>): string | undefined {
  return request.runtime_handler ?? request.pod_sandbox_id ?? request.container_id;
}

/** A CommonJS package is the default export where its names are not seen: specs are loaded with require() and with import(). */
function exportsOf<T extends object>(module: T): T {
  return 'default' in module && typeof module.default === 'object' && module.default !== null ? (module.default as T) : module;
}

type Services = Record<string, { service: Grpc.ServiceDefinition }>;

async function services(grpc: typeof Grpc): Promise<Services> {
  const [loader, protobuf] = [exportsOf(await import('@grpc/proto-loader')), exportsOf(await import('protobufjs'))];
  const { root } = protobuf.parse(readFileSync(join(repo, 'templates/cri.proto'), 'utf8'), { keepCase: true });
  const options = { keepCase: true, longs: String, enums: String, defaults: true };
  const all = grpc.loadPackageDefinition(loader.fromJSON(root.toJSON(), options)) as unknown as { runtime: { v1: Services } };
  return Object.fromEntries(Object.entries(all.runtime.v1).filter(([name]) => name.endsWith('Service')));
}

function usualAnswers(cri: FakeCri): Record<string, Answer> {
  const { sandboxes } = cri;
  let last = 0;
  const there = (id: string) => {
    if (!sandboxes.has(id)) throw refusal(`sandbox ${id}: not found`, 5);
    return sandboxes.get(id)!;
  };
  return {
    Version: () => ({ version: '0.1.0', runtime_name: 'containerd', runtime_version: '2.1.0', runtime_api_version: 'v1' }),
    Status: () => ({
      status: { conditions: ['RuntimeReady', 'NetworkReady'].map((type) => ({ type, status: true })) },
      info: {
        config: JSON.stringify({
          sandboxImage: 'pause:1',
          containerd: { runtimes: Object.fromEntries(cri.handlers.map((name) => [name, {}])) },
        }),
      },
      runtime_handlers: cri.handlers.map((name) => ({ name })),
    }),
    ListPodSandbox: () => ({ items: [...sandboxes.values()] }),
    ListContainers: () => ({ containers: [] }),
    RunPodSandbox: ({ config, runtime_handler: handler }) => {
      last += 1;
      sandboxes.set(String(last), { id: String(last), ...config, state: 'SANDBOX_READY', runtime_handler: handler });
      return { pod_sandbox_id: String(last) };
    },
    PodSandboxStatus: ({ pod_sandbox_id: id }) => ({ status: { id: there(id).id }, info: {} }),
    StopPodSandbox: ({ pod_sandbox_id: id }) => {
      there(id).state = 'SANDBOX_NOTREADY';
      return {};
    },
    RemovePodSandbox: ({ pod_sandbox_id: id }) => {
      sandboxes.delete(there(id).id!);
      return {};
    },
    CreateContainer: ({ pod_sandbox_id: id }) => ({ container_id: `in ${there(id).id}` }),
    ContainerStatus: ({ container_id: id }) => ({ status: { id, state: 'CONTAINER_RUNNING' }, info: {} }),
    ExecSync: () => ({ stdout: Buffer.from('6.12.47\n'), exit_code: 0 }),
    ImageStatus: () => ({ image: { id: 'pause' } }),
  };
}
