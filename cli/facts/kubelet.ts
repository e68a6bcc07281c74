import type { HostPath, HostView } from '../host/index.ts';
import { commandOf, type KubeletCommand } from './kubeletCommand.ts';
import { readSmall } from './smallFile.ts';
import type { YamlValue } from './yaml.ts';

/** A share of the file system's size, or bytes. */
export type Amount = { percent: number } | { bytes: number };

/** Below this a kubelet acts; `source` says where that is written. */
export interface Threshold {
  amount: Amount;
  source: string;
}

/** The signals by which a kubelet evicts pods or removes images. Where several thresholds are given, the highest one counts. */
export const signals = ['nodefs.available', 'imagefs.available', 'nodefs.inodesFree', 'imagefs.inodesFree'] as const;
export type Signal = (typeof signals)[number];

export interface Kubelet {
  /** Where pods, their logs and volumes are. */
  folder: HostPath;
  thresholds: Record<Signal, Threshold[]>;
  /** Images are removed from this share of use on, in percent. */
  imageGc: { percent: number; source: string }[];
}

const standard: Record<Signal, number> = {
  'nodefs.available': 10,
  'imagefs.available': 15,
  'nodefs.inodesFree': 5,
  'imagefs.inodesFree': 5,
};
const standardGcPercent = 85;
const standardFolder = '/var/lib/kubelet';
const byDefault = 'kubelet’s default';

/** Where installers put it, for a kubelet whose command is not known. That of kubeadm by the second name is of another kind. */
const usualFiles: HostPath[] = [
  `${standardFolder}/config.yaml`,
  '/etc/kubernetes/kubelet.conf',
  '/etc/kubernetes/kubelet/config.json',
  '/etc/kubernetes/kubelet/kubelet-config.json',
];
const binaries: HostPath[] = ['/usr/bin/kubelet', '/usr/local/bin/kubelet', '/opt/bin/kubelet'];
const maxDropIns = 100;

/**
 * The thresholds of the host's kubelet: what its command line says, else its drop-ins, else its configuration, else its defaults. Where one
 * of these cannot be read, the default counts beside what was read. undefined where there is no kubelet.
 */
export async function kubeletOf(host: HostView): Promise<Kubelet | undefined> {
  const command = await commandOf(host);
  if (command === undefined && !(await isInstalled(host))) return undefined;
  const given = new Map<string, Threshold>();
  let whole = true;
  for (const path of await filesOf(host, command)) {
    const read = await readConfiguration(host, path);
    if (read === 'unread') whole = false;
    else for (const [key, amount] of read) given.set(key, { amount, source: path });
  }
  for (const [key, amount] of flagsOf(command)) given.set(key, { amount, source: 'kubelet’s command line' });
  const thresholds = Object.fromEntries(signals.map((signal) => [signal, thresholdsOf(given, signal, whole)])) as Kubelet['thresholds'];
  const gc = given.get(gcKey);
  const standardGc = { percent: standardGcPercent, source: byDefault };
  const own = gc !== undefined && 'percent' in gc.amount ? [{ percent: gc.amount.percent, source: gc.source }] : [];
  return { folder: command?.folder ?? standardFolder, thresholds, imageGc: own.length === 0 || !whole ? [...own, standardGc] : own };
}

/**
 * Whether a kubelet is here, not only what one has left: its unit or its program; in an offline tree, to which an installer may bring both,
 * also its configuration.
 */
export async function hasKubelet(host: HostView): Promise<boolean> {
  if ((await commandOf(host)) !== undefined) return true;
  for (const path of host.live ? binaries : [...binaries, ...usualFiles]) if ((await host.stat(path))?.kind === 'file') return true;
  return false;
}

/**
 * The socket of the engine that the host's kubelet uses: what its command line says, else its last configuration file that names one. undefined
 * where there is no kubelet, or it says nothing that is known.
 */
export async function kubeletSocket(host: HostView): Promise<HostPath | undefined> {
  const command = await commandOf(host);
  let said = command?.endpoint;
  if (said === undefined)
    for (const path of await filesOf(host, command)) {
      const file = await readSmall(host, path);
      const value = file.kind === 'text' ? await valueIn(file.text) : undefined;
      const named = value instanceof Map ? value.get('containerRuntimeEndpoint') : undefined;
      if (typeof named === 'string' && named !== '') said = named;
    }
  return said === undefined ? undefined : /^(?:unix:\/\/)?(?<path>\/.+)$/.exec(said)?.groups?.['path'];
}

const gcKey = 'imageGCHighThresholdPercent';

function thresholdsOf(given: Map<string, Threshold>, signal: Signal, whole: boolean): Threshold[] {
  const standing = { amount: { percent: standard[signal] }, source: byDefault };
  const own = [given.get(`hard ${signal}`), given.get(`soft ${signal}`)].filter((each) => each !== undefined);
  return whole && given.has(`hard ${signal}`) ? own : [...own, standing];
}

async function isInstalled(host: HostView): Promise<boolean> {
  for (const path of [...binaries, usualFiles[0]!]) if ((await host.stat(path))?.kind === 'file') return true;
  return (await host.readdir(standardFolder).catch(() => [])).length > 0;
}

/** In the order in which they take effect. */
async function filesOf(host: HostView, command: KubeletCommand | undefined): Promise<HostPath[]> {
  const files = command?.config === undefined ? usualFiles : [command.config];
  const folder = command?.configFolder;
  const names = folder === undefined ? [] : (await host.readdir(folder).catch(() => [])).filter((name) => name.endsWith('.conf'));
  return [...files, ...names.slice(0, maxDropIns).map((name) => `${folder}/${name}`)];
}

/** What one file says, by 'hard SIGNAL', 'soft SIGNAL' and the name of the garbage collection's key. */
async function readConfiguration(host: HostView, path: HostPath): Promise<Map<string, Amount> | 'unread'> {
  const file = await readSmall(host, path);
  if (file.kind === 'absent') return new Map();
  if (file.kind === 'unread') return 'unread';
  const value = await valueIn(file.text);
  if (!(value instanceof Map)) return 'unread';
  const kind = value.get('kind');
  if (kind !== undefined && kind !== 'KubeletConfiguration') return new Map();
  return amountsIn(value) ?? 'unread';
}

async function valueIn(text: string): Promise<YamlValue> {
  const { parseYaml } = await import('./yaml.ts');
  try {
    return parseYaml(text);
  } catch {
    return undefined;
  }
}

/** undefined where a value is none that kubelet takes. */
function amountsIn(value: Map<unknown, YamlValue>): Map<string, Amount> | undefined {
  const found = new Map<string, Amount>();
  for (const [word, key] of [
    ['hard', 'evictionHard'],
    ['soft', 'evictionSoft'],
  ] as const) {
    const table = value.get(key);
    if (table === undefined || table === null) continue;
    if (!(table instanceof Map)) return undefined;
    for (const signal of signals) {
      const said = table.get(signal);
      if (said === undefined) continue;
      const amount = typeof said === 'string' || typeof said === 'number' ? amountOf(String(said)) : undefined;
      if (amount === undefined) return undefined;
      found.set(`${word} ${signal}`, amount);
    }
  }
  const gc = value.get(gcKey);
  if (gc === undefined || gc === null) return found;
  if (typeof gc !== 'number' || !(gc >= 0 && gc <= 100)) return undefined;
  return found.set(gcKey, { percent: gc });
}

function flagsOf(command: KubeletCommand | undefined): Map<string, Amount> {
  const found = new Map<string, Amount>();
  for (const [word, text] of [
    ['hard', command?.evictionHard],
    ['soft', command?.evictionSoft],
  ] as const) {
    for (const part of (text ?? '').split(',')) {
      const [signal = '', value = ''] = part.split('<');
      const amount = amountOf(value);
      if (amount !== undefined && signals.some((each) => each === signal)) found.set(`${word} ${signal}`, amount);
    }
  }
  const percent = Number(command?.imageGcHigh ?? 'none');
  if (percent >= 0 && percent <= 100) found.set(gcKey, { percent });
  return found;
}

const units: ReadonlyMap<string, number> = new Map([
  ['', 1],
  ...['k', 'M', 'G', 'T', 'P', 'E'].map((unit, index): [string, number] => [unit, 1000 ** (index + 1)]),
  ...['Ki', 'Mi', 'Gi', 'Ti', 'Pi', 'Ei'].map((unit, index): [string, number] => [unit, 1024 ** (index + 1)]),
]);

/** '10%', '1Gi', '500M', '1e9'. Percentages of 0 and 100 switch a threshold off. undefined for what is no amount. */
export function amountOf(text: string): Amount | undefined {
  const share = /^(\d{1,3}(?:\.\d{1,6})?)%$/.exec(text)?.[1];
  if (share !== undefined) return Number(share) > 100 ? undefined : { percent: Number(share) % 100 };
  const [, number, unit = '', exponent] = /^(\d{1,18}(?:\.\d{1,9})?)(?:([kMGTPE]|[KMGTPE]i)|[eE](\d{1,2}))?$/.exec(text) ?? [];
  if (number === undefined) return undefined;
  return { bytes: Math.ceil(Number(number) * (units.get(unit) ?? 1) * 10 ** Number(exponent ?? 0)) };
}
