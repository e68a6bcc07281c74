import type { Client, ServiceError } from '@grpc/grpc-js';
import { asset } from '../assets/index.ts';
import { KataError } from '../errors/index.ts';
import type { HostPath, HostView } from '../host/types.ts';
import type { Container, ContainerConfig, ContainerStatus, PodSandbox, SandboxConfig, StatusAnswer, VersionAnswer } from './shapes.ts';

/** The node's CRI. Every call has the client's deadline; errors are KataErrors `failed` that carry the gRPC status in details. */
export interface Cri {
  version(): Promise<VersionAnswer>;
  status(verbose: boolean): Promise<StatusAnswer>;
  listSandboxes(): Promise<PodSandbox[]>;
  sandboxStatus(id: string): Promise<{ status: PodSandbox | null; info: Record<string, string> }>;
  /** With a deadline of its own where one is given: it waits for a shim and a virtual machine. */
  runSandbox(config: SandboxConfig, handler: string, ownDeadlineMs?: number): Promise<string>;
  stopSandbox(id: string): Promise<void>;
  removeSandbox(id: string): Promise<void>;
  createContainer(sandbox: string, config: ContainerConfig, sandboxConfig: SandboxConfig): Promise<string>;
  startContainer(id: string): Promise<void>;
  stopContainer(id: string, timeoutSeconds: number): Promise<void>;
  removeContainer(id: string): Promise<void>;
  listContainers(): Promise<Container[]>;
  containerStatus(id: string): Promise<{ status: ContainerStatus | null; info: Record<string, string> }>;
  /** Runs a program in a container to its end. */
  execSync(id: string, cmd: string[], timeoutSeconds: number): Promise<{ stdout: Buffer; stderr: Buffer; exit_code: number }>;
  /** Whether the node has this image; nothing is pulled. */
  hasImage(image: string): Promise<boolean>;
  close(): void;
}

type Method = (request: object, options: { deadline: Date }, answer: (error: ServiceError | null, value: unknown) => void) => unknown;

/** A client for the socket at a real path of this machine. Nothing is connected until the first call. */
export async function openCri(socketPath: string, deadlineMs: number): Promise<Cri> {
  // The default export is the whole CommonJS module; a bundle of ES modules has nothing else of it.
  const modules = await Promise.all([import('@grpc/grpc-js'), import('@grpc/proto-loader'), import('protobufjs')]);
  const [grpc, loader, protobuf] = [exportsOf(modules[0]), exportsOf(modules[1]), exportsOf(modules[2])];
  const { root } = protobuf.parse(asset('templates/cri.proto'), { keepCase: true });
  const options = { keepCase: true, longs: String, enums: String, defaults: true, arrays: true, objects: true };
  const definition = loader.fromJSON(root.toJSON(), options);
  type Service = new (address: string, credentials: unknown, options: object) => Client;
  const { RuntimeService, ImageService } = (
    grpc.loadPackageDefinition(definition) as unknown as { runtime: { v1: { RuntimeService: Service; ImageService: Service } } }
  ).runtime.v1;
  // A node of 500 pods answers with more than gRPC's usual 4 MB; and no proxy setting of the environment may divert a local socket.
  const channel = {
    'grpc.max_receive_message_length': 64 << 20,
    'grpc.enable_http_proxy': 0,
    'grpc.default_authority': 'localhost',
  };
  const open = (service: Service) => new service(`unix:${socketPath}`, grpc.credentials.createInsecure(), channel);
  const runtime = open(RuntimeService);
  let images: Client | undefined;

  function call<T>(name: string, request: object, client = runtime, ms = deadlineMs): Promise<T> {
    return new Promise((resolve, reject) => {
      const method = (client as unknown as Record<string, Method>)[name]!;
      method.call(client, request, { deadline: new Date(Date.now() + ms) }, (error, value) => {
        if (error) reject(failure(name, socketPath, error));
        else resolve(value as T);
      });
    });
  }

  return {
    version: () => call('Version', {}),
    status: (verbose) => call('Status', { verbose }),
    listSandboxes: async () => (await call<{ items: PodSandbox[] }>('ListPodSandbox', {})).items,
    sandboxStatus: (id) => call('PodSandboxStatus', { pod_sandbox_id: id, verbose: true }),
    runSandbox: async (config, handler, ms) =>
      (await call<{ pod_sandbox_id: string }>('RunPodSandbox', { config, runtime_handler: handler }, runtime, ms)).pod_sandbox_id,
    stopSandbox: (id) => call('StopPodSandbox', { pod_sandbox_id: id }),
    removeSandbox: (id) => call('RemovePodSandbox', { pod_sandbox_id: id }),
    createContainer: async (sandbox, config, sandboxConfig) =>
      (await call<{ container_id: string }>('CreateContainer', { pod_sandbox_id: sandbox, config, sandbox_config: sandboxConfig }))
        .container_id,
    startContainer: (id) => call('StartContainer', { container_id: id }),
    stopContainer: (id, timeout) => call('StopContainer', { container_id: id, timeout }),
    removeContainer: (id) => call('RemoveContainer', { container_id: id }),
    listContainers: async () => (await call<{ containers: Container[] }>('ListContainers', {})).containers,
    containerStatus: (id) => call('ContainerStatus', { container_id: id, verbose: true }),
    execSync: (id, cmd, timeout) => call('ExecSync', { container_id: id, cmd, timeout }),
    hasImage: async (image) => {
      images ??= open(ImageService);
      return (await call<{ image: { id: string } | null }>('ImageStatus', { image: { image } }, images)).image !== null;
    },
    close: () => {
      runtime.close();
      images?.close();
    },
  };
}

/**
 * What a CommonJS package exports. Node gives it as `default`; tsx does not for packages that were once ES modules (`__esModule`); the
 * bundle gives either.
 */
function exportsOf<T extends object>(module: T): T {
  return 'default' in module && typeof module.default === 'object' && module.default !== null ? (module.default as T) : module;
}

function failure(call: string, socket: string, error: ServiceError): KataError {
  return new KataError('failed', {
    subject: socket,
    found: `The CRI at ${socket} answered ${call} with: ${error.details || error.message}.`,
    needed: 'A container engine that serves the CRI.',
    next: `Look at the engine's log: journalctl -u UNIT, where UNIT owns ${socket}.`,
    details: { call, grpcStatus: error.code },
    cause: error,
  });
}

/** Whether the engine can give a pod a network of its own: without a CNI configuration it says no. `why` is the engine's own reason. */
export function networkReady({ status }: StatusAnswer): { ready: boolean; why: string } {
  const condition = status?.conditions.find(({ type }) => type === 'NetworkReady');
  if (condition === undefined) return { ready: true, why: '' };
  return { ready: condition.status, why: condition.message === '' ? condition.reason : condition.message };
}

/** sun_path of a Unix socket has 108 bytes with its final zero. */
const longestSocketPath = 107;

/** The path of a socket on this machine, or why it cannot be called. */
export async function realSocket(
  host: HostView,
  socket: HostPath | undefined,
): Promise<{ path: string; why?: never } | { path?: never; why: string }> {
  if (socket === undefined) return { why: 'The engine has no socket.' };
  const path = await host.locate(await host.realpath(socket));
  if (!(await host.stat(socket))) return { why: `There is no socket ${socket}.` };
  return Buffer.byteLength(path) > longestSocketPath ? { why: `The path of the socket ${path} is too long.` } : { path };
}
