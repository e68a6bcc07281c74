import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Call } from '../../../cli/commands/types.ts';
import type { Event } from '../../../cli/output/index.ts';
import type { Systemd, TransientService } from '../../../cli/systemd/types.ts';
import type { Container, Containers, Pod } from '../../lab/kube/simulated/index.ts';
import { runInProcess } from '../inProcess.ts';
import type { Ran } from '../program.ts';
import { scriptedSystemd } from '../scriptedSystemd.ts';

/** What the unit of a request does: `apply` with these words on the host, the first of which is a file of the machine. */
export type RequestWork = (requestFile: string, options: readonly string[], env: Record<string, string>) => Promise<Ran>;

export interface SimulatedHost {
  root: string;
  work: RequestWork;
  /** The API server for the program in a container: 127.0.0.1 and this port. */
  port: number;
  ca: string;
  /** After the step `change`, before the next one. */
  changed?: () => Promise<void>;
}

const secrets = 'var/run/secrets/kubernetes.io/serviceaccount';
const terminationLog = 'dev/termination-log';

/**
 * Containers of a node pod whose host is a tree: they run the program's own steps on it, with the environment of their template. Stand-ins
 * are the engine, which does not isolate them, and systemd, whose unit is `work`.
 */
export function nodeContainers(host: SimulatedHost): Containers {
  const at = (path: string) => join(host.root, path);
  const systemd = transientUnits(host);
  return {
    prepare: async ({ spec }) => {
      for (const folder of ['var/lib/kata-sysext', 'etc/kata-sysext', 'dev', secrets]) mkdirSync(at(folder), { recursive: true });
      const shared = (spec.volumes ?? []).filter(({ emptyDir }) => emptyDir !== undefined).map(({ name }) => name);
      const mounts = [...(spec.initContainers ?? []), ...spec.containers].flatMap(({ volumeMounts = [] }) => volumeMounts);
      for (const { mountPath } of mounts.filter(({ name }) => shared.includes(name))) {
        rmSync(at(mountPath), { recursive: true, force: true });
        mkdirSync(at(mountPath), { recursive: true });
      }
    },
    run: inPlaces(async (container, pod, token, signal) => {
      const step = stepOf(container);
      writeFileSync(at(terminationLog), '');
      if (token !== undefined) {
        writeFileSync(at(`${secrets}/token`), token);
        writeFileSync(at(`${secrets}/ca.crt`), host.ca);
      }
      const env = { ...environmentOf(container, pod), KUBERNETES_SERVICE_HOST: '127.0.0.1', KUBERNETES_SERVICE_PORT: String(host.port) };
      const ran =
        step === 'change' ? await change(host, systemd, env, signal) : await runInProcess(['node-pod', step, '--root', host.root], { env });
      if (step === 'change' && ran.status === 0) await host.changed?.();
      const message = readFileSync(at(terminationLog), 'utf8');
      return { exitCode: ran.status, message: message === '' && ran.status !== 0 ? ran.stderr.slice(-2000) : message };
    }),
    isReady: async () => (JSON.parse(readFileSync(at('etc/kata-sysext/report.json'), 'utf8')) as { ready: boolean }).ready,
  };
}

/** One process has the containers of all nodes: so many run at once. */
const maxRunning = 64;
const waiting: (() => void)[] = [];
let running = 0;

function inPlaces(run: Containers['run']): Containers['run'] {
  return async (...asked) => {
    if (running >= maxRunning) await new Promise<void>((resolve) => waiting.push(resolve));
    else running += 1;
    try {
      return await run(...asked);
    } finally {
      const next = waiting.shift();
      if (next === undefined) running -= 1;
      else next();
    }
  };
}

function stepOf({ command = [] }: Container): string {
  const [program, verb, step] = command;
  if (program === '/kata-sysext' && verb === 'node-pod' && step !== undefined) return step;
  throw new Error(`a container of another program: ${command.join(' ')}`);
}

/** As a kubelet resolves it, of what the chart uses. */
function environmentOf({ env = [] }: Container, { metadata, spec }: Pod): Record<string, string> {
  const label = /^metadata\.labels\['(.+)'\]$/;
  const field = (path: string) => {
    if (path === 'spec.nodeName') return spec.nodeName ?? '';
    if (path === 'metadata.namespace') return metadata.namespace;
    if (path === 'metadata.name') return metadata.name;
    const name = label.exec(path)?.[1];
    if (name === undefined) throw new Error(`no field ${path} is known here`);
    return metadata.labels?.[name] ?? '';
  };
  // The API server leaves an empty value out.
  const of = ({ value = '', valueFrom }: (typeof env)[number]) =>
    valueFrom === undefined ? value : field(valueFrom.fieldRef?.fieldPath ?? '');
  return Object.fromEntries(env.map((each) => [each.name, of(each)]));
}

/** The step itself, but that systemd is given to it. */
async function change({ root }: SimulatedHost, systemd: Systemd, env: Record<string, string>, signal: AbortSignal): Promise<Ran> {
  // With import(), as runInProcess does: one module of errors.
  const { change: step } = await import('../../../cli/nodePod/steps/change.ts');
  const { openHost } = await import('../../../cli/host/index.ts');
  const said = { stderr: '' };
  const stderr = { write: (text: string) => (said.stderr += text) };
  const programFile = join(import.meta.dirname, '../../../package.json');
  const context = { host: openHost(root, env), programFile, emit: (_: Event) => undefined, signal };
  const call = { words: ['change'], options: {}, io: { env, stderr }, context } as unknown as Call;
  try {
    const reply = await step(call, { connect: async () => systemd, pollMs: 100 });
    return { status: reply.exitCode ?? 0, stdout: reply.text.join('\n'), ...said };
  } catch (error) {
    return { status: 1, stdout: '', stderr: `${said.stderr}${String(error)}` };
  }
}

/** Its transient units run `work` to the end, whatever becomes of the pod. */
function transientUnits({ root, work }: SimulatedHost): Systemd {
  const living = new Set<string>();
  const { systemd } = scriptedSystemd((unit) => ({ activeState: living.has(unit) ? 'active' : 'inactive' }));
  const startTransient = async ({ unit, argv, environment, after }: TransientService) => {
    const line = /^exec \S+ apply (\S+) (--[^<>;&|]+) >(\S+) 2>(\S+)$/.exec(argv[2] ?? '');
    const status = /> (\S+)$/.exec(after[2] ?? '')?.[1];
    if (line === null || status === undefined) throw new Error(`a unit of another command line: ${argv.join(' ')}`);
    const [request, options, out, err] = line.slice(1) as [string, string, string, string];
    living.add(unit);
    const env = Object.fromEntries(environment.map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]));
    const failed = (error: unknown): Ran => ({ status: 1, stdout: '', stderr: String(error) });
    void work(join(root, request), options.split(' '), env)
      .catch(failed)
      .then((ran) => {
        writeFileSync(join(root, out), ran.stdout);
        writeFileSync(join(root, err), ran.stderr);
        writeFileSync(join(root, status), `${ran.status}\n`);
        living.delete(unit);
      });
  };
  return { ...systemd, livingUnits: async () => [...living], startTransient };
}
