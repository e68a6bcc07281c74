import { posix } from 'node:path';
import { type WantedHandler, type WiringPlan, withSwitch } from '../engines/index.ts';
import { type Finding, KataError, pathWord } from '../errors/index.ts';
import { type Digest, digestOf, type HostView } from '../host/index.ts';
import { marksOf, wiringFor } from '../store/index.ts';
import { isDropIn } from '../systemd/dropIns.ts';
import { type FileStep, type RereadStep, type RestartStep, restartOf, type Step } from '../transaction/index.ts';
import { displacing, viewWithout } from './displaced.ts';
import { puttingBack, recordedWith, takenOver } from './replaceWiring.ts';
import { switchedOn } from './selinuxSwitch.ts';
import type { Found, SwitchRequest } from './types.ts';

/** The files of one engine as a switch leaves them, and its restart. */
export interface PlannedWiring {
  found: Found;
  wiring: WiringPlan;
  files: FileStep[];
  rereads: RereadStep[];
  restarts: RestartStep[];
  /** Files of other programs that have text of kata-sysext, as this change leaves them. */
  edited: Record<string, Digest>;
}

type Request = Omit<SwitchRequest, 'engines'>;

/**
 * Reads the files as they are now. An adopt also removes the other program's wiring; leaving an adopted generation puts that wiring back.
 * `planned`: engines of the same change that come before.
 */
export async function planWiring(
  host: HostView,
  request: Request,
  found: Found,
  wanted: WantedHandler[],
  planned: readonly PlannedWiring[] = [],
): Promise<PlannedWiring> {
  const { foreignWiring, restoring, displaced, from, down = false } = request;
  const { engine, instance } = found;
  const recorded = wiringFor(from?.record.wiring, engine.name);
  const own = await engine.plan(
    displaced === undefined ? host : viewWithout(host, displaced),
    instance,
    wanted,
    foreignWiring === undefined ? recorded : recordedWith(recorded, foreignWiring, instance),
  );
  const around = restoring === undefined ? own : puttingBack(own, restoring);
  const wish = request.selinux ?? (request.to?.number === from?.manifest.number ? switchedOn(from?.record) : []);
  const consent = wish === 'allowed';
  const on = consent || wish.includes(engine.name);
  const taken = foreignWiring === undefined ? around : takenOver(own, foreignWiring);
  const handlers = displaced === undefined ? taken : await displacing(host, taken, displaced);
  const switched = await withSwitch(host, found, handlers, { on, consent, recorded: recorded?.selinux });
  const wiring = { ...switched, findings: [...switched.findings, ...(await partedLinks(host, switched))] };
  const files = fileSteps(request.id, wiring, planned.flatMap((each) => each.files).length);
  const { unit, effect } = instance;
  // An engine that restarts by itself does so for files of the folder that it watches.
  const counts = files.some(({ path }) => effect?.by !== 'itself' || posix.dirname(path) === effect.watches);
  const restarts = counts && instance.process !== undefined && !down ? [await restartStep(host, found)] : [];
  const settings = host.booted && unit !== undefined && files.some(({ path }) => isDropIn(path));
  const rereads: RereadStep[] = settings ? [{ kind: 'reread', unit }] : [];
  const noted = wiring.wiring === undefined ? wiring : { ...wiring, wiring: { ...wiring.wiring, version: found.version } };
  return { found, wiring: noted, files, rereads, restarts, edited: editedAfter(wiring, files, from?.record.edited) };
}

export function wiringSteps({ wiring, files, rereads, restarts }: Omit<PlannedWiring, 'found' | 'edited'>): Step[] {
  const folders: Step[] = wiring.makeFolders.map(({ path, mode }) => ({ kind: 'folder', path, mode }));
  const dropped: Step[] = wiring.dropFolders.map((path) => ({ kind: 'drop-folder', path }));
  const [last, others] = [files.filter(isLast), files.filter((file) => !isLast(file))];
  // A folder may be empty only after the last file.
  return [...folders, ...others, ...rereads, ...restarts, ...last, ...dropped];
}

function isLast({ settles }: FileStep): boolean {
  return settles === 'last';
}

/** A file with several names gets one of its own: the others, as a backup makes them, keep the text of before. */
async function partedLinks(host: HostView, { changes }: WiringPlan): Promise<Finding[]> {
  const paths = new Set(changes.flatMap(({ path, before, after }) => (before === 'absent' || after === 'absent' ? [] : [path])));
  const findings: Finding[] = [];
  for (const path of paths) {
    const names = (await host.lstat(path))?.links ?? 1;
    if (names < 2) continue;
    const { point } = await host.fileSystem(path);
    findings.push({
      code: 'engine-file-linked',
      level: 'warning',
      subject: path,
      found: `${path} has ${names} names (hard links) by now; the change parts them, and the other names keep the text of before`,
      needed: 'a file with one name',
      next: `before the change, look for the others: find ${pathWord(host, point)} -xdev -samefile ${pathWord(host, path)}`,
    });
  }
  return findings;
}

/** `first`: the number of files before these, so that each temporary file has a name of its own. */
function fileSteps(id: number, wiring: WiringPlan, first: number): FileStep[] {
  return wiring.changes.map((change, index) => ({
    kind: 'file',
    path: change.path,
    before: change.before,
    after: change.after === 'absent' ? 'absent' : digestOf(change.after.text),
    text: change.after === 'absent' ? undefined : change.after.text,
    mode: change.mode,
    like: change.like,
    foreign: change.foreign,
    ours: change.ours,
    temporary: posix.join(change.tmpDir, `.kata-sysext-${id}-${first + index}.tmp`),
    settles: change.settles,
  }));
}

async function restartStep(host: HostView, { instance }: Found): Promise<RestartStep> {
  const systemd = await host.systemd();
  if (systemd === undefined || instance.unit === undefined) {
    throw new KataError('engine-unsupported', {
      subject: instance.configPath,
      found: 'the engine runs, but not as a systemd unit that answers',
      needed: 'a unit that can be restarted and watched',
      next: 'run the engine as a systemd service',
    });
  }
  const { unit, effect, engine, socket } = instance;
  return restartOf(host, systemd, { unit, effect, engine, socket });
}

function editedAfter({ wiring }: WiringPlan, files: FileStep[], earlier: Record<string, Digest> = {}): Record<string, Digest> {
  const ranges = new Set(marksOf(wiring).flatMap(({ kind, path }) => (kind === 'range' ? [path] : [])));
  const now = files.flatMap((step): [string, Digest][] => (step.after === 'absent' ? [] : [[step.path, step.after]]));
  return Object.fromEntries([...Object.entries(earlier), ...now].filter(([path]) => ranges.has(path)));
}
