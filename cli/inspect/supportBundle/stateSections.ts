import type { Wiring } from '../../engines/types.ts';
import type { HostPath, Stat } from '../../host/index.ts';
import {
  activeGeneration,
  entryDrift,
  etcFolder,
  fragmentsFolder,
  imageRoot,
  imageState,
  marksOf,
  payloadOf,
  readGenerations,
  readHistory,
  stateFolder,
  wholePayload,
  wiringsOf,
} from '../../store/index.ts';
import { entryFolder, readableEntries, readIntent } from '../../transaction/index.ts';
import { ownerText } from '../owner.ts';
import { status } from '../status.ts';
import { verify } from '../verify.ts';
import type { Asked, SectionRow } from './types.ts';

/** What is installed, and how it came there. */
export const stateSections: SectionRow[] = [
  { name: 'status', title: 'kata-sysext status', lines: async ({ host }) => pretty(await status(host)) },
  { name: 'generations', title: 'Generations', lines: generations },
  { name: 'history', title: 'The last changes, with what was seen when they failed', lines: history },
  { name: 'verify', title: 'kata-sysext verify', limitMs: 300_000, lines: verification },
  { name: 'journal', title: 'Changes that are not finished: which files are there, not what is in them', lines: journal },
  { name: 'files', title: 'Files of kata-sysext: type, mode, owner, size, label', limitMs: 30_000, lines: files },
];

function pretty(value: unknown): string[] {
  return JSON.stringify(value, undefined, 1).split('\n');
}

async function generations({ host }: Asked): Promise<string[]> {
  return (await readGenerations(host)).flatMap(({ manifest, record }) => [
    `${manifest.number}: Kata ${manifest.release}, ${manifest.backend} (${manifest.format}), made ${manifest.created} by ${manifest.program}, ${record.state}${record.pinned === true ? ', pinned' : ''}`,
    `   payload ${manifest.payload} in ${manifest.payloadFolder}`,
    ...(record.owner === undefined ? [] : [`   brought by ${ownerText(record.owner)}`]),
    ...(record.replaced === undefined ? [] : [`   instead of ${record.replaced.package}: ${record.replaced.handlers.join(', ')}`]),
    ...manifest.sources.map((source) => `   from ${JSON.stringify(source)}`),
    ...manifest.handlers.map(
      ({ name, family, hypervisor, shim, configurationDigest }) =>
        `   ${name}: ${family}, ${hypervisor}, ${shim}, configuration ${configurationDigest}`,
    ),
    ...wiringsOf(record.wiring).map((wiring) => `   ${wiring.engine} wired by ${wiring.method}: ${placesOf(wiring)}`),
  ]);
}

function placesOf(wiring: Wiring): string {
  return marksOf(wiring)
    .map(({ kind, path }) => `${kind} ${path}`)
    .join(', ');
}

const changes = { usual: 10, verbose: 100 };

async function history({ host, verbose }: Asked): Promise<string[]> {
  const entries = (await readHistory(host)).slice(-(verbose ? changes.verbose : changes.usual));
  return entries.flatMap((entry) => [
    `${entry.id}: ${entry.at} ${entry.verb} ${entry.from ?? '-'} to ${entry.to ?? '-'}: ${entry.result}, ${entry.seconds} s, restarted ${entry.restarted.join(' ') || 'nothing'}`,
    ...(entry.error === undefined ? [] : [`   why: ${entry.error.found} [${entry.error.code}]`, `   next: ${entry.error.next}`]),
    ...entry.leftovers.map((each) => `   left: ${each.path}: ${each.found}`),
    ...entry.evidence.map((line) => `   | ${line}`),
  ]);
}

/** Reading every byte takes as long as the payload is large: usually kinds, modes and sizes must do. */
async function verification({ host, verbose, signal }: Asked): Promise<string[]> {
  const active = await activeGeneration(host);
  if (active === undefined) return ['nothing is installed'];
  if (verbose) {
    const seen = await verify(host);
    return [
      `generation ${seen.generation}: ${seen.filesChecked} files, ${seen.bytesChecked} bytes read, ${seen.drift.length} differ`,
      ...seen.drift.map(({ found }) => found),
    ];
  }
  const payload = await payloadOf(host, active.manifest);
  if (payload === undefined) return ['the manifest of the payload is not there'];
  const { folder, entries } = wholePayload(payload);
  const drift: string[] = [];
  for (const entry of entries) {
    if (signal.aborted) break;
    const why = await entryDrift(host, `${folder}/${entry.path}`, entry, 'shape');
    if (why !== undefined) drift.push(`${folder}/${entry.path}: ${why}`);
  }
  return [
    `generation ${active.manifest.number}: ${entries.length} entries by kind, mode and size, ${drift.length} differ (--verbose reads them)`,
    ...drift,
  ];
}

async function journal({ host }: Asked): Promise<string[]> {
  const open = await readableEntries(host);
  if (open.length === 0) return ['none'];
  const lines = open.map(async (id) => {
    const intent = await readIntent(host, id).catch(() => undefined);
    const steps =
      intent === undefined
        ? 'its intent cannot be read'
        : `${intent.verb}, steps ${intent.steps.map(({ kind }) => kind).join(' ')}, deployment ${intent.deployment}`;
    const names = await host.readdir(entryFolder(id));
    const sizes = await Promise.all(
      names.map(async (name) => `   ${name}: ${(await host.lstat(`${entryFolder(id)}/${name}`))?.sizeBytes ?? 0} bytes`),
    );
    return [`change ${id}: ${steps}`, ...sizes];
  });
  return (await Promise.all(lines)).flat();
}

const folders: HostPath[] = [etcFolder, fragmentsFolder, stateFolder, '/usr/local/libexec/kata-sysext', imageState, imageRoot];
/** Deeper lie the files of the release, and those the section verify is about. */
const depth = 5;

async function files({ host }: Asked): Promise<string[]> {
  const lines: string[] = [];
  for (const folder of folders) {
    if ((await host.lstat(folder)) === undefined) continue;
    const labels = await host.labels(folder).catch(() => new Map<HostPath, string>());
    const walk = async (path: HostPath, below: number): Promise<void> => {
      const stat = await host.lstat(path);
      if (stat === undefined) return;
      const target = stat.kind === 'symlink' ? ` -> ${await host.readlink(path)}` : '';
      lines.push(`${path}${target}: ${described(stat)}, ${labels.get(path) ?? 'no label'}`);
      if (stat.kind !== 'directory') return;
      const names = await host.readdir(path);
      if (below > 0) for (const name of names) await walk(`${path}/${name}`, below - 1);
      else if (names.length > 0) lines.push(`${path}/: ${names.length} more`);
    };
    await walk(folder, depth);
  }
  return lines.length === 0 ? ['none'] : lines;
}

function described({ kind, mode, uid, gid, sizeBytes }: Stat): string {
  return `${kind} ${mode.toString(8)} ${uid}:${gid} ${sizeBytes}`;
}
