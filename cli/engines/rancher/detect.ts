import { posix } from 'node:path';
import { valueAt } from '../../documents/toml/index.ts';
import { childNamed, flagOf, pathOf, readDaemon } from '../../facts/processes.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import type { Unit } from '../../systemd/types.ts';
import { filesView } from '../common/filesView.ts';
import { usesOtherCri } from '../common/otherCri.ts';
import { firstThere, isLeft, startOfUnit, unitFile } from '../common/unitFiles.ts';
import { unsupported } from '../common/unsupported.ts';
import { parseVersion, versionOf } from '../common/version.ts';
import type { Instance, Wiring } from '../types.ts';
import { containerd, loadSet } from './containerd.ts';
import { templatePath } from './rendered.ts';
import { configIn, configuredDataDir, dataDirOf } from './settings.ts';
import type { Distribution } from './types.ts';

/** Both programs have it there, whatever their data folder is. */
const usualSocket = '/run/k3s/containerd/containerd.sock';

/** Both programs have Kubernetes' version; from these on they carry containerd 2 (docs/facts/rancher.md#versions). */
const firstKubernetes = 18;
const firstPatch: Record<number, number> = { 31: 6, 32: 2 };

/** See `Engine.detect`. */
export async function detectRancher(of: Distribution, host: HostView, hint?: string): Promise<Instance[]> {
  const running = await detectRunning(of, host);
  if (running.length > 0) return running;
  const unit = await installedUnit(of, host);
  if (await usesOtherCri(host, of.facts.renders, unit === undefined ? [] : [unit])) return [];
  if (unit === undefined) await refuseOpenRc(of, host);
  if (host.live) return unit === undefined ? [] : [await fromFiles(of, host, unit)];
  const version = containerdOf(hint);
  const there = unit !== undefined || hint !== undefined || (await hasLeft(of, host));
  return there ? [await fromFiles(of, host, unit, { version })] : [];
}

/** See `Engine.findRecorded`. A wiring that was made in a tree without the program names no unit. */
export async function findRecordedRancher(of: Distribution, host: HostView, wiring: Wiring): Promise<Instance | undefined> {
  const unit = wiring.unit ?? (await installedUnit(of, host));
  const running = unit === undefined ? undefined : await instanceOf(of, host, unit);
  if (running !== undefined) return running;
  const there = unit !== undefined && (await unitFile(host, unit)) !== undefined;
  if (!there && (host.booted || wiring.unit !== undefined)) return undefined;
  return fromFiles(of, host, there ? unit : undefined, {}, dataDirOf(wiring.configPath));
}

async function detectRunning(of: Distribution, host: HostView): Promise<Instance[]> {
  const systemd = host.live ? await host.systemd() : undefined;
  if (systemd === undefined) return [];
  const { units, otherUnits } = of.facts.renders;
  const others = (await systemd.activeUnits('*.service')).filter((name) => otherUnits?.test(name) === true && !units.includes(name));
  const found: Instance[] = [];
  for (const unit of [...units, ...others]) {
    const instance = await instanceOf(of, host, unit);
    if (instance !== undefined) found.push(instance);
  }
  return found;
}

/** From the main process of a unit, and the containerd that it started; undefined where that is another program, or uses another CRI. */
async function instanceOf(of: Distribution, host: HostView, unit: Unit): Promise<Instance | undefined> {
  const state = host.live ? await (await host.systemd())?.unit(unit) : undefined;
  const main = state === undefined || state.mainPid === 0 ? undefined : await readDaemon(host, state.mainPid);
  if (main === undefined) return undefined;
  const { units, program } = of.facts.renders;
  if (!units.includes(unit) && program?.test(posix.basename(main.binary)) !== true) return undefined;
  const child = await childNamed(host, main.pid, containerd.programs);
  if (child === undefined && (await usesOtherCri(host, of.facts.renders, [unit]))) return undefined;
  const config = child === undefined ? undefined : flagOf(child.args, ['c', 'config']);
  const configPath = child === undefined || config === undefined ? undefined : pathOf(child, config);
  const address = child === undefined ? undefined : flagOf(child.args, ['a', 'address']);
  const { pid, startedMs, binaryReplaced } = child ?? main;
  const files = await fromFiles(of, host, unit, {}, configPath && dataDirOf(configPath));
  return {
    ...files,
    configPath: configPath ?? files.configPath,
    socket: child === undefined || address === undefined ? files.socket : pathOf(child, address),
    process: { pid, startedMs, binaryReplaced },
  };
}

/** What the files tell. `given`: what is known already; the data folder that nothing names is the usual one. */
async function fromFiles(
  of: Distribution,
  host: HostView,
  unit: Unit | undefined,
  given: { version?: string | undefined } = {},
  dataDir?: HostPath,
): Promise<Instance> {
  const [usualUnit] = of.facts.units;
  const name = unit ?? usualUnit!;
  const data = dataDir ?? (await configuredDataDir(host, of, name));
  const configPath = configIn(data);
  const binary = await firstThere(host, [`${data}/${of.bundled}`]);
  const version = given.version ?? (binary !== undefined && host.booted ? await versionOf(host, binary) : undefined);
  return {
    engine: of.facts.name,
    version,
    binary,
    configPath,
    socket: await socketOf(host, configPath),
    sources: await sourcesOf(of, host, configPath),
    unit,
    renderer: { title: of.facts.title, writes: configPath, when: await timesOf(host, name) },
  };
}

/** Another release renders another configuration, and templates may come and go. */
async function sourcesOf({ programs }: Distribution, host: HostView, configPath: HostPath): Promise<HostPath[]> {
  const program = await firstThere(host, programs);
  const templates = ([2, 3] as const).map((schema) => templatePath(posix.dirname(configPath), schema));
  return [...(program === undefined ? [] : [await host.realpath(program)]), ...templates];
}

/** A server has the Kubernetes API in the same process. */
async function timesOf(host: HostView, unit: Unit): Promise<string> {
  const start = (await startOfUnit(host, unit)) ?? '';
  const isServer = /-server\.service$/.test(unit) || /(?:^|[\s'"])server(?:[\s'"]|$)/.test(start);
  return `at each start of ${unit}, which starts containerd and the kubelet${isServer ? ', and on this server the Kubernetes API' : ''}`;
}

async function socketOf(host: HostView, configPath: HostPath): Promise<HostPath> {
  const set = await loadSet(filesView(host), configPath).catch(() => undefined);
  const address = valueAt(set?.files[0]?.doc.value, ['grpc', 'address']);
  return typeof address === 'string' && address.startsWith('/') ? address : usualSocket;
}

/** The unit whose file is there, of those that the installer makes; one of another name where the host enables it. */
async function installedUnit(of: Distribution, host: HostView): Promise<Unit | undefined> {
  const { units, otherUnits } = of.facts.renders;
  const places = ['/etc/systemd/system', '/usr/local/lib/systemd/system', '/usr/lib/systemd/system'];
  const names = (await Promise.all(places.map((folder) => host.readdir(folder)))).flat();
  const others = names.filter((name) => otherUnits?.test(name) === true);
  const wanted = await host.readdir('/etc/systemd/system/multi-user.target.wants');
  for (const unit of [...units, ...others].sort((a, b) => Number(wanted.includes(b)) - Number(wanted.includes(a)))) {
    const start = (await unitFile(host, unit)) === undefined ? undefined : await startOfUnit(host, unit);
    const words = (start ?? '').split(/[\s"';]+/).map((word) => posix.basename(word));
    const own = of.programs.some((path) => words.includes(posix.basename(path)));
    if (own && (await host.readlink(`/etc/systemd/system/${unit}`)) !== '/dev/null') return unit;
  }
  return undefined;
}

/** What an installation leaves in an offline tree. */
async function hasLeft({ facts }: Distribution, host: HostView): Promise<boolean> {
  for (const path of facts.renders.files) if (await isLeft(host, path)) return true;
  return false;
}

/** Its installer makes an init script where there is no systemd: nothing there restarts the engine and watches it. */
async function refuseOpenRc({ facts }: Distribution, host: HostView): Promise<void> {
  const { title, renders } = facts;
  const names = await host.readdir('/etc/init.d');
  const script = names.find((name) => renders.units.includes(`${name}.service`) || renders.otherUnits?.test(`${name}.service`));
  if (script === undefined) return;
  throw unsupported(
    title,
    `${title} is started by OpenRC here (/etc/init.d/${script}), and kata-sysext restarts and watches engines by systemd.`,
    'A host with systemd.',
    `By hand: the handler’s table goes below ${renders.files.at(-1)?.replace(/config\.toml$/, 'config-v3.toml.d')}, then rc-service ${script} restart.`,
  );
}

/**
 * The version of containerd that `--engine NAME@VERSION` means, where VERSION is the program's own ('1.33.4', 'v1.30.2+k3s1') or already one of
 * containerd's ('1.7', '2.1.5'); undefined where the text has none.
 */
function containerdOf(hint: string | undefined): string | undefined {
  const version = parseVersion(hint);
  if (version === undefined) return undefined;
  if (version.major !== 1 || version.minor < firstKubernetes) return hint?.replace(/^v/, '');
  const { minor, patch = 0 } = version;
  return minor > 32 || patch >= (firstPatch[minor] ?? Number.POSITIVE_INFINITY) ? '2.0' : '1.7';
}
