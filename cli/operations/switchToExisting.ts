import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { moduleFindings } from '../kernelModules/index.ts';
import { command } from '../output/index.ts';
import type { ChangeOptions } from '../planning/choices/types.ts';
import { guardOf } from '../planning/programCopy.ts';
import { nothingAfterwards, switchRecords } from '../planning/records.ts';
import { othersWiring } from '../planning/replaceWiring.ts';
import { switchOf } from '../planning/selinuxSwitch.ts';
import { programWrites } from '../planning/writes.ts';
import { refuse } from '../preflight/engine.ts';
import { findEnginesToWire } from '../preflight/engines.ts';
import { refuseDamaged, refuseHarmful } from '../preflight/harmful.ts';
import { etcFindings } from '../preflight/refusals.ts';
import { refuseFull } from '../preflight/room.ts';
import { checkedSwitch } from '../preflight/switch.ts';
import type { OperationPlan, View } from '../runner/types.ts';
import {
  activeNumber,
  earlierGenerations,
  type Generation,
  isWaiting,
  readGeneration,
  readGenerations,
  rollbackTarget,
  startingGeneration,
} from '../store/index.ts';

/** Makes a generation that is already there the active one, wiring included. `choose` says which. */
async function planSwitchTo(
  view: View,
  verb: string,
  options: ChangeOptions,
  choose: (from: Generation | undefined) => Promise<Generation>,
): Promise<OperationPlan> {
  const { host, id, started } = view;
  refuse(await etcFindings(host), options.allow);
  const from = await startingGeneration(host);
  const target = await choose(from);
  await refuseDamaged(host, target.manifest, 'the files of the generation');
  await refuseHarmful(host, from, target, options.allow);
  const { manifest: to, record } = target;
  const engines = await findEnginesToWire(host, options.engines, (from ?? target).record.wiring);
  const guard = await guardOf(view, to);
  const theirs = await othersWiring(host, engines[0]!, from, target);
  const writes = await programWrites(view, to.backend, guard);
  const selinux = await switchOf(host, from, target, options.allow);
  const ends = { from, to, selinux, loadModules: record.loadModules };
  const planned = await checkedSwitch(host, { verb, id, engines, writes, options, guard, ...ends, ...theirs });
  const { plan } = planned;
  const known = new Set(from?.manifest.handlers.map(({ name }) => name));
  const coming = to.handlers.filter(({ name }) => !known.has(name));
  plan.findings.push(...(await moduleFindings(host, coming)));
  await refuseFull(host, planned.writes, false, options);
  const common = { verb, plan, from: from?.manifest.number, to, engines, planned, prove: options.prove };
  if (planned.steps.length === 0) return { ...common, idle: true, afterwards: nothingAfterwards };
  return {
    ...common,
    idle: false,
    rehearsed: true,
    program: { own: false, guard },
    afterwards: {
      ...nothingAfterwards,
      records: switchRecords({ from, to: to.number, record, allow: options.allow }, planned, host.live, started),
    },
    says: { undoCommand: command(host, from === undefined ? 'uninstall' : 'rollback') },
  };
}

interface ActivateRequest extends ChangeOptions {
  /** Default: the newest generation that `install --stage` made and that was never active. */
  number?: number | undefined;
}

/** Makes a staged generation, or any other one, the active one. */
export function planActivate(view: View, request: ActivateRequest): Promise<OperationPlan> {
  const { host } = view;
  return planSwitchTo(view, 'activate', request, async () => {
    if (request.number !== undefined) return readGeneration(host, request.number);
    const waiting = (await readGenerations(host)).filter(isWaiting).at(-1);
    if (waiting !== undefined) return waiting;
    const active = await activeNumber(host);
    throw new KataError('nothing-staged', {
      subject: active === undefined ? 'nothing is installed' : `generation ${active} is active`,
      found: 'no generation waits to be activated',
      needed: 'a generation that install --stage made, or the number of another one',
      next: 'kata-sysext install BUNDLE --stage, or kata-sysext activate N (numbers: kata-sysext status)',
    });
  });
}

interface RollbackRequest extends ChangeOptions {
  /** The generation to go to; default: the one that was active before this one. */
  to?: number | undefined;
}

/** Back to an earlier generation, wiring included. Twice returns. */
export function planRollback(view: View, request: RollbackRequest): Promise<OperationPlan> {
  return planSwitchTo(view, 'rollback', request, (from) =>
    request.to === undefined ? before(view.host, from) : readGeneration(view.host, request.to),
  );
}

async function before(host: HostView, from: Generation | undefined): Promise<Generation> {
  const all = await readGenerations(host);
  const target = from && rollbackTarget(all, from);
  if (target !== undefined) return target;
  const others = all.filter(({ record }) => record.state !== 'failed').map(({ manifest }) => manifest.number);
  throw new KataError('no-previous-generation', {
    subject: from === undefined ? 'nothing is installed' : `generation ${from.manifest.number}`,
    found: from === undefined ? 'there is no active generation' : withoutTarget(from, earlierGenerations(all, from)),
    needed: 'an earlier generation',
    next: nextFor(from?.manifest.number, others),
  });
}

function withoutTarget({ manifest: { number } }: Generation, earlier: readonly Generation[]): string {
  if (earlier.length === 0) return `no generation was active before ${number}, or it is gone`;
  const numbers = earlier.map(({ manifest }) => manifest.number).join(', ');
  return `${earlier.length === 1 ? `generation ${numbers} was` : `generations ${numbers} were`} active before ${number}, and failed`;
}

/** Only what this host can do: there may be other generations, only the active one, or none. */
function nextFor(active: number | undefined, all: number[]): string {
  const [newest, ...more] = all.filter((number) => number !== active).sort((a, b) => b - a);
  if (newest !== undefined) return [`kata-sysext rollback --to ${newest}`, ...more.map((number) => `--to ${number}`)].join(', or ');
  return active === undefined ? 'kata-sysext install BUNDLE' : 'to go back to a host without Kata: kata-sysext uninstall';
}
