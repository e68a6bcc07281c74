import type { Bundle } from '../bundle/types.ts';
import { KataError } from '../errors/index.ts';
import type { Architecture } from '../facts/index.ts';
import { resolve } from './resolve.ts';
import { type HandlerRow, handlerRow, handlerTable, installedName } from './tables.ts';

/** Throws `bundle-lacks-handler` or `bundle-no-shim` for all handlers at once that the bundle lacks, naming the archive that carries them. */
export function requireParts(bundle: Bundle, rows: HandlerRow[], arch: Architecture): void {
  const lacking = rows.flatMap((row) => lackOf(bundle, row, arch) ?? []);
  const [first, ...more] = lacking;
  if (first === undefined) return;
  const handlers = lacking.flatMap(({ complaint }) => complaint.subject ?? []);
  const joined = (key: 'found' | 'needed' | 'next') => [...new Set(lacking.map(({ complaint }) => complaint[key]))].join('; ');
  throw new KataError(more.length === 0 ? first.code : 'bundle-lacks-handler', {
    subject: handlers.join(', '),
    found: joined('found'),
    needed: joined('needed'),
    next: joined('next'),
    details: { ...first.complaint.details, handlers, available: whole(bundle, arch) },
  });
}

/** What the bundle has for this architecture, by installed name; the default first. */
function whole(bundle: Bundle, arch: Architecture): string[] {
  const rows = [...handlerTable.defaults.candidates.map(handlerRow), ...handlerTable.handlers];
  return [
    ...new Set(
      rows
        .filter((row) => row.architectures.includes(arch) && has(bundle, row.configuration) && has(bundle, row.shim))
        .map(({ name }) => installedName(name)),
    ),
  ];
}

function lackOf(bundle: Bundle, row: HandlerRow, arch: Architecture): KataError | undefined {
  const subject = installedName(row.name);
  const archive = handlerTable.archives[row.family];
  if (!row.architectures.includes(arch)) {
    return new KataError('bundle-lacks-handler', {
      subject,
      found: `Kata Containers has no handler ${subject} for ${arch}`,
      needed: `a handler for ${arch}; ${subject} exists for ${row.architectures.join(', ')}`,
      next: 'name another handler with --handler',
    });
  }
  const part = [row.configuration, row.shim].find((path) => !has(bundle, path));
  if (part !== undefined && isNamed(bundle, row, archive)) return notInRelease(bundle, row, arch, part);
  if (part === row.configuration) {
    return new KataError('bundle-lacks-handler', {
      subject,
      found: `${row.configuration} is in none of ${namesOf(bundle)}`,
      needed: `the configuration of ${subject}, which ${archive} carries`,
      next: `name ${archive}-${bundle.version ?? 'VERSION'} as well: several archives are merged`,
      details: { archive },
    });
  }
  if (part === undefined) return undefined;
  return new KataError('bundle-no-shim', {
    subject,
    found: `the shim ${row.shim} of ${subject} is in none of ${namesOf(bundle)}`,
    needed: `the ${row.family === 'go' ? 'Go' : 'Rust'} shim, which ${archive} carries`,
    next: `name ${archive}-${bundle.version ?? 'VERSION'} as well: several archives are merged`,
    details: { archive },
  });
}

/** Whether the archive that carries handlers of this family is among the sources: by a name, or by the shim that all of them share. */
function isNamed(bundle: Bundle, row: HandlerRow, archive: string): boolean {
  const others = Object.values(handlerTable.archives).filter((name) => name.startsWith(`${archive}-`));
  const isIt = (name: string) => name.startsWith(`${archive}-`) && !others.some((other) => name.startsWith(`${other}-`));
  return has(bundle, row.shim) || bundle.sources.some(({ name }) => isIt(name));
}

function notInRelease(bundle: Bundle, row: HandlerRow, arch: Architecture, part: string): KataError {
  const subject = installedName(row.name);
  const there = whole(bundle, arch);
  return new KataError(part === row.shim ? 'bundle-no-shim' : 'bundle-lacks-handler', {
    subject,
    found: `Kata ${bundle.version ?? 'VERSION'} does not have ${subject}: ${part} is in none of ${namesOf(bundle)}`,
    needed: there.length === 0 ? 'a release with this handler' : `a handler that this release has: ${there.join(', ')}`,
    next: 'name one of these handlers, or take a release that has it',
  });
}

/** Throws `host-architecture` when the shim was built for another machine. */
export function requireMachine(bundle: Bundle, shim: string, arch: Architecture): void {
  const machine = bundle.machines?.get(shim);
  if (machine === undefined || machine === arch) return;
  throw new KataError('host-architecture', {
    subject: shim,
    found: `the shim ${shim} was built for ${machine}`,
    needed: `a release for ${arch}`,
    next: `fetch the archive of the same release for ${arch}`,
  });
}

/** Throws `bundle-incomplete` when a file that is needed was left out by `keepFor`. */
export function requireUnpacked(bundle: Bundle, row: HandlerRow, files: string[]): void {
  const unpacked = unpackedOf(bundle);
  const absent = files.filter((file) => !unpacked.has(file));
  if (absent.length === 0) return;
  throw new KataError('bundle-incomplete', {
    subject: installedName(row.name),
    found: `${row.configuration} needs files that belong to no component of ${installedName(row.name)}: ${absent.slice(0, 5).join(', ')}`,
    needed: 'a release whose handlers name the files of their own components',
    next: `ask for the handler that the files belong to as well, or use a release that this version of kata-sysext knows`,
    details: { absent },
  });
}

/** The version that the release gives itself; it ends up in messages and names, so it has to look like one. Throws `bundle-layout`. */
export function releaseOf(bundle: Bundle): string {
  const version = bundle.version ?? 'unknown';
  if (/^[\w.+~-]{1,64}$/.test(version)) return version;
  throw new KataError('bundle-layout', {
    subject: 'opt/kata/VERSION',
    found: `the release calls itself ${JSON.stringify(version.slice(0, 80))}`,
    needed: 'a version such as 4.1.0',
    next: 'use a release archive of Kata Containers',
  });
}

const unpackedPaths = new WeakMap<Bundle, Set<string>>();

/** The paths that were written while unpacking. */
export function unpackedOf(bundle: Bundle): Set<string> {
  const known = unpackedPaths.get(bundle) ?? new Set(bundle.entries.map((entry) => entry.path));
  unpackedPaths.set(bundle, known);
  return known;
}

/** True when the path, links followed, is a file of the release. */
export function has(bundle: Bundle, path: string): boolean {
  const { end } = resolve(bundle.listing, path);
  return end !== undefined && bundle.listing.get(end)?.kind === 'file';
}

function namesOf(bundle: Bundle): string {
  return bundle.sources.map((source) => source.name).join(', ');
}
