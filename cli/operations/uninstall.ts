import { backendOf } from '../backends/index.ts';
import { withProvenPlaces } from '../components/read.ts';
import type { HostView } from '../host/index.ts';
import { command } from '../output/index.ts';
import { restoring } from '../planning/choices/restoring.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { dropPlan, whatGoes } from '../planning/removal.ts';
import { othersWiring } from '../planning/replaceWiring.ts';
import { belongsToImage } from '../planning/switch.ts';
import type { Found } from '../planning/types.ts';
import { refuse } from '../preflight/engine.ts';
import { findEnginesToUnwire } from '../preflight/engines.ts';
import { etcFindings } from '../preflight/refusals.ts';
import { refuseRunning } from '../preflight/running.ts';
import { checkedSwitch } from '../preflight/switch.ts';
import type { OperationPlan, View } from '../runner/types.ts';
import {
  activeGeneration,
  type Generation,
  historyFolder,
  namesOf,
  pointedElsewhere,
  readGenerations,
  sourcePlaces,
  wiredGeneration,
} from '../store/index.ts';
import { type Afterwards, parkedGenerations } from '../transaction/index.ts';
import { layerNotes } from './adopt/layer.ts';

export interface UninstallRequest extends ChangeOptions {
  /** Also the history. */
  purge: boolean;
}

/** What an uninstall removes. A generation that another deployment of this host points at stays, and so does the history. */
interface Going {
  all: Generation[];
  go: Generation[];
  afterwards: Afterwards;
}

/** Removes Kata from the host: wiring first, files last. Refuses while sandboxes of installed handlers run. */
export async function planUninstall(view: View, request: UninstallRequest): Promise<OperationPlan> {
  const { host } = view;
  refuse(await etcFindings(host), request.allow);
  const all = await readGenerations(host);
  const from = (await activeGeneration(host)) ?? (await stillWired(host, all));
  const going = await goingIn(host, all, request.purge);
  return from === undefined ? planDrop(host, going) : planRemoval(view, request, from, going);
}

async function goingIn(host: HostView, all: Generation[], purge: boolean): Promise<Going> {
  const elsewhere = new Set([...(await pointedElsewhere(host)), ...(await parkedGenerations(host))]);
  const go = all.filter(({ manifest }) => !elsewhere.has(manifest.number) && !belongsToImage(host, manifest));
  const kept = all.filter((generation) => elsewhere.has(generation.manifest.number)).map((generation) => generation.manifest.payload);
  const dropGenerations = go.map((generation) => generation.manifest.number);
  const dropPayloads = [...new Set(go.map((generation) => generation.manifest.payload))].filter((digest) => !kept.includes(digest));
  return { all, go, afterwards: { records: [], dropGenerations, dropPayloads, purge: purge && kept.length === 0 } };
}

/** The engine has no wiring of kata-sysext: the uninstall removes only folders of kata-sysext. */
async function planDrop(host: HostView, { all, go, afterwards }: Going): Promise<OperationPlan> {
  const goes = await whatGoes(host, all, afterwards);
  const removedGenerations = afterwards.dropGenerations;
  const leftovers = go.length > 0 || (afterwards.purge && (await host.readdir(historyFolder)).length > 0);
  return {
    verb: 'uninstall',
    plan: dropPlan('uninstall', removedGenerations, goes),
    idle: !leftovers,
    afterwards,
    says: { removedGenerations, freedBytes: goes.freedBytes },
    leaves: [],
  };
}

async function planRemoval(
  { host, id }: View,
  request: UninstallRequest,
  from: Generation,
  { all, go, afterwards }: Going,
): Promise<OperationPlan> {
  const engines = await findEnginesToUnwire(host, request.engines, from.record.wiring);
  const theirs = await othersWiring(host, engines[0]!, from, undefined);
  const planned = await checkedSwitch(host, { verb: 'uninstall', id, engines, from, options: request, ...theirs });
  planned.plan.findings.push(...(await layerNotes(host, theirs.restoring)));
  await refuseRunning(host, go);
  const { steps, freedBytes } = await whatGoes(host, all, afterwards, planned.steps);
  const removedGenerations = afterwards.dropGenerations;
  const back = await wayBack(host, from, engines);
  return {
    verb: 'uninstall',
    plan: { ...planned.plan, steps: [...planned.plan.steps, ...steps], removedGenerations, freedBytes },
    idle: false,
    from: from.manifest.number,
    engines,
    planned,
    rehearsed: true,
    afterwards,
    says: {
      handlers: namesOf(from.manifest),
      removedGenerations,
      freedBytes,
      // A name that points at the layered package again is taken, so that an install would be refused.
      undoCommand: command(host, `${theirs.restoring === undefined ? 'install' : 'adopt layered'} ${back.line}`),
    },
    leaves: back.findings,
  };
}

/** Of an offline tree nothing runs that would tell the engine and its version. */
async function wayBack(host: HostView, { manifest, record }: Generation, engines: readonly Found[]): Promise<ReturnType<typeof restoring>> {
  const named = engines.map(
    ({ engine, instance: { version } }) => `${engine.name}${host.live || version === undefined ? '' : `@${version}`}`,
  );
  const handlers = await withProvenPlaces(manifest.handlers);
  return restoring({ ...manifest, handlers }, record.wiring === undefined ? [] : named, sourcePlaces(manifest));
}

/**
 * The pointer is gone, but the engine's files still have the wiring of a generation, or its backend still shows the payload. The uninstall
 * removes both.
 */
async function stillWired(host: HostView, all: Generation[]): Promise<Generation | undefined> {
  const wired = await wiredGeneration(host);
  if (wired !== undefined) return wired;
  for (const generation of [...all].reverse())
    if ((await backendOf(generation.manifest.backend).detach(host)).length > 0) return generation;
  return undefined;
}
