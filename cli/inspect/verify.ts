import { backendOf } from '../backends/index.ts';
import type { TreeEntry } from '../bundle/index.ts';
import { withProvenPlaces } from '../components/read.ts';
import { type Finding, KataError } from '../errors/index.ts';
import { bootGuests, type GuestBoot, type GuestRequest, needLive } from '../guest/index.ts';
import type { HostView } from '../host/index.ts';
import { labelFinding, surveyLabels } from '../labels/index.ts';
import { type Emit, words } from '../output/index.ts';
import type { Found } from '../planning/types.ts';
import type { PodProof } from '../pod/index.ts';
import { findEngines } from '../preflight/engines.ts';
import { activePolicyFindings } from '../selinux/index.ts';
import {
  activeGeneration,
  entryDrift,
  type Generation,
  generationDrift,
  imageNumber,
  installAgain,
  payloadOf,
  programDrift,
  programPath,
  readPrograms,
  wholePayload,
} from '../store/index.ts';
import { changeState, openFindings } from './changeState.ts';
import { lostText, lostWiring, updateImage, wiringAgain } from './wiring.ts';

export interface Verification {
  generation: number;
  filesChecked: number;
  bytesChecked: number;
  /** SELinux labels that were compared; absent on a host without SELinux. */
  labelsChecked?: number | undefined;
  drift: Finding[];
  /** Only when asked for. */
  guests?: GuestBoot[];
  pods?: PodProof[];
}

/** What `verify` starts as well: `--boot-guest`, `--pod`. */
export interface Trials {
  guests?: GuestRequest | undefined;
  /** Starts the pods; what proves writes notes of its own. */
  pods?: ((found: Found, active: Generation, changed: boolean) => Promise<Pick<Verification, 'guests' | 'pods'>>) | undefined;
  emit: Emit;
  signal: AbortSignal;
}

/**
 * Compares the host with the active generation: every file and link of the payload, the configurations, the pointer, the wiring, and on hosts
 * with SELinux the labels; a change that was interrupted differs from it by what it did. With `trials`, then boots its guests or starts pods,
 * if nothing differs that they would be started from.
 */
export async function verify(host: HostView, trials?: Trials): Promise<Verification> {
  if (trials?.guests !== undefined) needLive(host, '--boot-guest');
  if (trials?.pods !== undefined) needLive(host, '--pod');
  const open = await openDrift(host);
  const active = await activeGeneration(host);
  if (active === undefined) throw nothingInstalled(open);
  const { manifest } = active;
  const payload = await payloadOf(host, manifest);
  const drift: Finding[] = payload === undefined ? [gone(manifest.payloadFolder, 'its manifest is not there')] : [];
  // What lies around the release's tree counts as well: systemd-sysext would merge all of it into /usr.
  const whole = payload === undefined ? { folder: manifest.payloadFolder, entries: [] } : wholePayload(payload);
  // The digest of an image covers all that is in it.
  const entries = payload?.image === undefined ? (payload?.entries ?? []) : whole.entries;
  for (const entry of whole.entries) {
    const why = await entryDrift(host, `${whole.folder}/${entry.path}`, entry);
    if (why !== undefined) drift.push(await helped(manifest, entry.path, gone(`${whole.folder}/${entry.path}`, why)));
  }
  drift.push(...(await unexpected(host, whole.folder, whole.entries)), ...(await configurationDrift(host, active)));
  const changed = drift.length > 0;
  const wiring = (await lostWiring(host, active)).map((lost) => ({
    ...gone(lost.path, lostText),
    ...(lost.isAltered && { next: wiringAgain(active, lost) }),
  }));
  drift.push(...wiring, ...(await copyDrift(host, active)));
  const policy = (await activePolicyFindings(host, active)).filter(({ level }) => level === 'blocker');
  for (const problem of (await backendOf(manifest.backend).status(host)).problems) drift.push(gone(manifest.backend, problem));
  const labels = await surveyLabels(host, active);
  drift.push(...labels.wrong.map((wrong) => labelFinding(wrong, manifest)), ...(labels.unasked === undefined ? [] : [labels.unasked]));
  const tried = trials === undefined ? {} : await tryOut(host, active, trials, changed);
  return {
    generation: manifest.number,
    filesChecked: entries.length,
    bytesChecked: entries.reduce((sum, entry) => sum + (entry.sizeBytes ?? 0), 0),
    labelsChecked: labels.checked === 0 ? undefined : labels.checked,
    drift: [
      ...open,
      ...(host.image || manifest.number !== imageNumber ? drift : drift.map((finding) => ({ ...finding, next: updateImage }))),
      ...policy,
    ],
    ...tried,
  };
}

async function tryOut(
  host: HostView,
  active: Generation,
  { guests, pods, emit, signal }: Trials,
  changed: boolean,
): Promise<Pick<Verification, 'guests' | 'pods'>> {
  if (guests !== undefined) return { guests: await bootGuests(host, active, guests, { emit, signal, changed }) };
  if (pods === undefined) return {};
  const engines = (await findEngines(host, undefined, active.record.wiring)).filter(({ gone }) => gone === undefined);
  // Where some have a CRI, only these can start a pod.
  const serving = engines.filter(({ engine }) => engine.cri !== undefined);
  const tried: Pick<Verification, 'guests' | 'pods'> = {};
  for (const found of serving.length > 0 ? serving : engines) {
    const more = await pods(found, active, changed);
    if (more.pods !== undefined) tried.pods = [...(tried.pods ?? []), ...more.pods];
    if (more.guests !== undefined) tried.guests = [...(tried.guests ?? []), ...more.guests];
  }
  return tried;
}

/** What was left half-done. One that runs is not. */
async function openDrift(host: HostView): Promise<Finding[]> {
  return openFindings(await changeState(host)).map((finding) => ({ ...finding, code: 'drift-found', level: 'blocker' }));
}

function nothingInstalled([first]: Finding[]): KataError {
  return new KataError('nothing-installed', {
    found: `there is no active generation${first === undefined ? '' : `, and ${first.found}`}`,
    needed: 'an installed generation',
    next: first?.next ?? 'kata-sysext install BUNDLE',
  });
}

async function unexpected(host: HostView, folder: string, entries: TreeEntry[]): Promise<Finding[]> {
  const known = new Set(entries.map((entry) => entry.path));
  const found: Finding[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const name of await host.readdir(`${folder}/${below}`)) {
      const path = `${below}${name}`;
      if (!known.has(path)) found.push(gone(`${folder}/${path}`, 'it does not belong to the payload'));
      else if ((await host.lstat(`${folder}/${path}`))?.kind === 'directory') await walk(`${path}/`);
    }
  };
  await walk('');
  return found;
}

async function configurationDrift(host: HostView, { manifest }: Generation): Promise<Finding[]> {
  return (await generationDrift(host, manifest)).map(({ path, found }) => gone(path, found));
}

/** The copy of the program that made the generation, where one was kept. */
async function copyDrift(host: HostView, { manifest }: Generation): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const program of (await readPrograms(host)).filter(({ version }) => version === manifest.program)) {
    const why = await programDrift(host, program);
    if (why !== undefined) found.push(gone(programPath(program.root, program.version), why));
  }
  return found;
}

/** A file of the user may be nowhere else on this host: the command names the place where it was. */
async function helped(manifest: Generation['manifest'], path: string, finding: Finding): Promise<Finding> {
  for (const { name, own } of await withProvenPlaces(manifest.handlers)) {
    const file = own?.files.find((each) => path.endsWith(`/${each.path}`));
    if (file === undefined) continue;
    const word = `${name}:${file.kind}=${file.place ?? `/PATH/TO/${file.name}`}`;
    return { ...finding, next: installAgain(manifest, ` ${words(['--component', word])}`) };
  }
  return finding;
}

function gone(subject: string, found: string): Finding {
  return {
    code: 'drift-found',
    level: 'blocker',
    subject,
    found: `${subject}: ${found}`,
    needed: 'the host as the generation describes it',
    next: 'install the same bundle again',
  };
}
