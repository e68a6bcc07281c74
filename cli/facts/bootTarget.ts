import { posix } from 'node:path';
import { type HostPath, type HostView, readTexts } from '../host/index.ts';
import { isContainer } from './boot.ts';

/** Words of the kernel's command line that mean a target (systemd(1), “Kernel Command Line”); the last one counts. */
const targetWords = new Map([
  ...['emergency', '-b'].map((word) => [word, 'emergency.target'] as const),
  ...['rescue', 'single', '-s', 's', 'S', '1'].map((word) => [word, 'rescue.target'] as const),
  ...['2', '3', '4'].map((word) => [word, 'multi-user.target'] as const),
  ['5', 'graphical.target'],
]);

/** The target that a kernel's command line asks for; undefined: the default one. */
export function wantedTarget(commandLine: string): string | undefined {
  // A quoted value is one word, whatever is in it.
  const words = commandLine.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  const named = words
    .map((word) => word.replaceAll(/["']/g, ''))
    .map((word) => /^systemd\.unit=(.+)$/.exec(word)?.[1] ?? targetWords.get(word));
  return named.filter((target) => target !== undefined).at(-1);
}

/** The first file wins (systemd.unit(5)); an offline update comes by a link of a generator, systemd.offline-updates(7). */
const folders: HostPath[] = [
  '/etc/systemd/system.control',
  '/run/systemd/system.control',
  '/run/systemd/transient',
  '/run/systemd/generator.early',
  '/etc/systemd/system',
  '/run/systemd/system',
  '/run/systemd/generator',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
  '/run/systemd/generator.late',
];

/**
 * Whether the target that this boot was asked for pulls a unit in, itself or through other targets, by what the files say: PID 1 need not be
 * asked. undefined where they do not tell: a tree that does not run, a target without a file.
 */
export async function bootPulls(host: HostView, unit: string): Promise<boolean | undefined> {
  if (!host.booted) return undefined;
  // In a container the kernel's line is not this system's.
  const asked = (await isContainer(host)) ? undefined : wantedTarget((await host.readText('/proc/cmdline')) ?? '');
  const there = await existing(host, folders);
  const pending = [asked ?? 'default.target'];
  const seen = new Set<string>();
  for (let next = pending.shift(); next !== undefined; next = pending.shift()) {
    if (seen.has(next)) continue;
    seen.add(next);
    const pulled = await pulledBy(host, there, next);
    if (pulled === undefined && seen.size === 1) return undefined;
    if (pulled?.includes(unit) === true) return true;
    pending.push(...(pulled ?? []).filter((name) => name.endsWith('.target')));
  }
  return false;
}

/** Names of units that a target asks for, by its text, its drop-ins and links; undefined where it has no file. */
async function pulledBy(host: HostView, among: HostPath[], target: string): Promise<string[] | undefined> {
  const [file] = await existing(
    host,
    among.map((folder) => `${folder}/${target}`),
  );
  if (file === undefined) return undefined;
  const real = await host.realpath(file);
  // An alias has the links and drop-ins of both names.
  const names = [...new Set([target, posix.basename(real)])];
  const around = among.flatMap((folder) => names.map((name) => `${folder}/${name}`));
  const linked = await Promise.all(
    around.flatMap((path) => ['wants', 'requires', 'upholds'].map((kind) => host.readdir(`${path}.${kind}`))),
  );
  const dropIns = await Promise.all(around.map(async (path) => (await host.readdir(`${path}.d`)).map((name) => `${path}.d/${name}`)));
  const files = [real, ...dropIns.flat().filter((path) => path.endsWith('.conf'))];
  const text = (await readTexts(host, files)).join('\n').replaceAll('\\\n', ' ');
  const written = [...text.matchAll(/^[ \t]*(?:Wants|Requires|BindsTo|Upholds)[ \t]*=(.*)$/gm)].flatMap(([, said]) => said!.split(/\s+/));
  return [...linked.flat(), ...written].filter((name) => name !== '');
}

async function existing(host: HostView, paths: HostPath[]): Promise<HostPath[]> {
  const stats = await Promise.all(paths.map((path) => host.lstat(path)));
  return paths.filter((_path, index) => stats[index] !== undefined);
}
