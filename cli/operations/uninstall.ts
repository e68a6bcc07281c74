import { backendOf } from '../backends/index.ts';
import { guardUnits } from '../bootGuard/units/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { command } from '../output/index.ts';
import { restoring } from '../planning/choices/restoring.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { dropPlan, whatGoes } from '../planning/removal.ts';
import { othersWiring } from '../planning/replaceWiring.ts';
import { planSwitch } from '../planning/switch.ts';
import { findEngine, refuse } from '../preflight/engine.ts';
import { belongsToImage } from '../preflight/imageRules.ts';
import { etcFindings } from '../preflight/refusals.ts';
import { runningPayloads } from '../preflight/running.ts';
import { carryOut, receipt, rehearse } from '../runner/carryOut.ts';
import { underLock } from '../runner/session.ts';
import type { Answer, ChangeResult, Context } from '../runner/types.ts';
import {
  activeGeneration,
  etcFolder,
  filesBelow,
  foreignFiles,
  fragmentsFolder,
  type Generation,
  historyFolder,
  namesOf,
  nextId,
  pointedElsewhere,
  readGenerations,
  sourcePlaces,
  wiredGeneration,
} from '../store/index.ts';
import { openEntries, parkedGenerations } from '../transaction/index.ts';
import { layerNotes } from './adopt/layer.ts';

export interface UninstallRequest extends ChangeOptions {
  /** Also the history. */
  purge: boolean;
}

/** Takes Kata off the host: wiring first, files last. Refuses while sandboxes of our handlers run. */
export function uninstall(context: Context, request: UninstallRequest): Promise<Answer> {
  return underLock(context, 'uninstall', request, () => uninstallLocked(context, request));
}

async function uninstallLocked(context: Context, request: UninstallRequest): Promise<Answer> {
  const { host } = context;
  const started = host.now();
  refuse(await etcFindings(host), request.allow);
  const all = await readGenerations(host);
  const from = (await activeGeneration(host)) ?? (await stillWired(host, all));
  const elsewhere = new Set([...(await pointedElsewhere(host)), ...(await parkedGenerations(host))]);
  const go = all.filter(({ manifest }) => !elsewhere.has(manifest.number) && !belongsToImage(host, manifest));
  const kept = all.filter((generation) => elsewhere.has(generation.manifest.number)).map((generation) => generation.manifest.payload);
  const id = await nextId(host, await openEntries(host));
  const afterwards = {
    records: [],
    dropGenerations: go.map((generation) => generation.manifest.number),
    dropPayloads: [...new Set(go.map((generation) => generation.manifest.payload))].filter((digest) => !kept.includes(digest)),
    // What another deployment of this host points at stays, and so does the story of how it came there.
    purge: request.purge && kept.length === 0,
  };
  const base = { id, verb: 'uninstall', made: false, started, afterwards };
  const removedGenerations = afterwards.dropGenerations;
  if (from === undefined) {
    const goes = await whatGoes(host, all, afterwards);
    if (request.dryRun) return { kind: 'Plan', plan: dropPlan('uninstall', removedGenerations, goes) };
    const leftovers = go.length > 0 || (afterwards.purge && (await host.readdir(historyFolder)).length > 0);
    const outcome = leftovers ? await carryOut(context, base) : undefined;
    const change = { ...receipt(context, base, outcome), removedGenerations, freedBytes: goes.freedBytes };
    return { kind: 'Change', change: await withStrangers(host, change) };
  }
  const found = await findEngine(host, request.engine, from?.record.wiring?.engine);
  const theirs = await othersWiring(host, found, from, undefined);
  const planned = await planSwitch(host, { verb: 'uninstall', id, found, from, options: request, ...theirs });
  planned.plan.findings.push(...(await layerNotes(host, theirs.restoring)));
  await refuseRunning(host, go);
  const { steps, freedBytes } = await whatGoes(host, all, afterwards, planned.steps);
  if (request.dryRun) {
    return { kind: 'Plan', plan: { ...planned.plan, steps: [...planned.plan.steps, ...steps], removedGenerations, freedBytes } };
  }
  await rehearse(context, found, planned);
  const carry = { ...base, found, planned, from: from.manifest.number };
  const outcome = await carryOut(context, carry);
  await endGuard(host);
  // Of an offline tree nothing runs that would tell the engine and its version.
  const places = sourcePlaces(from.manifest);
  const { engine, instance } = found;
  const version = host.live || instance.version === undefined ? '' : `@${instance.version}`;
  const back = restoring(from.manifest, from.record.wiring === undefined ? undefined : `${engine.name}${version}`, places);
  const change = await withStrangers(host, receipt(context, carry, outcome));
  return {
    kind: 'Change',
    change: {
      ...change,
      findings: [...change.findings, ...back.findings],
      handlers: namesOf(from.manifest),
      removedGenerations,
      freedBytes,
      // A name that leads to the layered package again is not free for an install.
      undoCommand: command(host, `${theirs.restoring === undefined ? 'install' : 'adopt layered'} ${back.line}`),
    },
  };
}

/** Units of the guard that ran at the boot count as active until they are stopped. Their files went before, so that systemd forgets them then. */
async function endGuard(host: HostView): Promise<void> {
  if (!host.live) return;
  const systemd = await host.systemd();
  for (const { unit, path } of guardUnits(host)) {
    if ((await host.lstat(path)) === undefined) await systemd?.stop(unit, 5000).catch(() => undefined);
  }
}

/** The pointer is gone, but the wiring of a generation stands in the engine's files, or its backend shows it: that must go with the rest. */
async function stillWired(host: HostView, all: Generation[]): Promise<Generation | undefined> {
  const wired = await wiredGeneration(host);
  if (wired !== undefined) return wired;
  for (const generation of [...all].reverse())
    if ((await backendOf(generation.manifest.backend).detach(host)).length > 0) return generation;
  return undefined;
}

const lingerMs = 3000;

/** Shims that the engine's CRI does not list (started by ctr or nerdctl) need their files as well. One that is just ending gets a moment. */
async function refuseRunning(host: HostView, go: Generation[]): Promise<void> {
  const folders = new Set(go.map((generation) => generation.manifest.payloadFolder));
  const until = performance.now() + lingerMs;
  for (;;) {
    const running = [...(await runningPayloads(host))].filter(([folder]) => folders.has(folder));
    if (running.length === 0) return;
    if (performance.now() > until) {
      throw new KataError('handler-in-use', {
        subject: running.map(([folder]) => folder).join(', '),
        found: `${new Set(running.flatMap(([, pids]) => [...pids])).size} processes run from the files that would go`,
        needed: 'none',
        next: `end them first; they are: ls -l /proc/[0-9]*/exe | grep -E 'kata-sysext|(share|libexec)/kata/'`,
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** What others put into our folders stays, and is told; so are the administrator's own settings for our handlers. */
async function withStrangers(host: HostView, change: ChangeResult): Promise<ChangeResult> {
  const row =
    (level: Finding['level'], what: string) =>
    (path: string): Finding => {
      const found = `${path} is ${what}; it stays`;
      return { code: 'foreign-file', level, subject: path, found, needed: 'nothing', next: `remove it if nobody needs it: rm ${path}` };
    };
  const inOurs = (await foreignFiles(host, [etcFolder])).map(row('warning', 'no file of kata-sysext'));
  const fragments = (await filesBelow(host, fragmentsFolder)).map(row('info', 'a setting of the administrator'));
  return { ...change, findings: [...change.findings, ...inOurs, ...fragments] };
}
