import { exceptKeys, exceptSwitch } from '../engines/index.ts';
import { KataError } from '../errors/index.ts';
import { type HostView, undisturbed } from '../host/index.ts';
import type { Found } from '../planning/types.ts';
import type { PlannedWiring } from '../planning/wiring.ts';
import { type PodProof, provePods, readinessOf, thrown } from '../pod/index.ts';
import type { GenerationManifest } from '../store/index.ts';
import { findGeneration } from '../store/index.ts';
import type { Gate } from '../transaction/index.ts';
import type { Context, OperationPlan } from './types.ts';

const timeoutSeconds = 60;

/**
 * For `--prove pod`, before anything is changed: a node that lacks the sandbox image could not prove whatever was installed. Throws
 * `pod-image-missing`.
 */
export async function refuseUnprovable(
  { host }: Context,
  { engine, instance }: Found,
  { prove }: Pick<OperationPlan, 'prove'>,
): Promise<void> {
  if (prove === undefined || !host.live) return;
  const { imageMissing } = await readinessOf(host, engine, instance);
  if (imageMissing !== undefined) throw thrown(imageMissing);
}

/** The gate, and after it a pod of each handler of the generation: where one fails, the change is undone. `proven` gets what ran. */
export function provingGate(context: Context, gate: Gate, found: Found, to: GenerationManifest, proven: (pods: PodProof[]) => void): Gate {
  let evidence: string[] = [];
  return {
    beforeRestart: gate.beforeRestart,
    afterSteps: async () => {
      await gate.afterSteps();
      const { pods, failed } = await podsOf(context, found, to);
      evidence = failed.map((text) => `pod: ${text}`);
      if (failed.length > 0) throw notProven(failed);
      proven(pods);
    },
    evidence: async () => [...evidence, ...(await gate.evidence())],
  };
}

/** The same where a change has nothing to do. Throws `gate-failed`. */
export async function proveUnchanged(context: Context, found: Found, to: GenerationManifest): Promise<PodProof[]> {
  const { pods, failed } = await podsOf(context, found, to);
  if (failed.length > 0) throw notProven(failed, '; nothing was changed');
  return pods;
}

async function podsOf(
  { host, emit, signal }: Context,
  { engine, instance }: Found,
  to: GenerationManifest,
): Promise<{ pods: PodProof[]; failed: string[] }> {
  const generation = await undisturbed(host, () => findGeneration(host, to.number));
  if (generation === undefined) return { pods: [], failed: [`generation ${to.number} is not there`] };
  const session = { host, engine, instance, request: { handlers: [], timeoutSeconds }, emit, signal };
  const { pods, guests = [] } = await provePods(session, generation, false);
  const findings = [...pods, ...guests].flatMap((trial) => trial.findings);
  return { pods, failed: findings.filter(({ level }) => level === 'blocker').map(({ found, next }) => `${found} (next: ${next})`) };
}

function notProven(failed: string[], more = ''): KataError {
  return new KataError('gate-failed', {
    subject: '--prove pod',
    found: `${failed.slice(0, 3).join('; ')}${more}`,
    needed: 'a pod of every handler that starts',
    next: 'kata-sysext history N (its number: kata-sysext history)',
  });
}

/** Asks the engine's own binary about copies of the planned files. `scratch` writes a copy into a folder of kata-sysext. */
export async function askEngine(
  host: HostView,
  { found, wiring }: PlannedWiring,
  touched: string[],
  scratch: (name: string, text: string) => Promise<string>,
): Promise<void> {
  if (!host.booted || wiring.changes.length === 0) return;
  const { dump } = found.engine;
  if (dump === undefined) return;
  const diff = exceptKeys(await dump.validate(host, found.instance, wiring, scratch), wiring.displaced);
  const { others, warnings } = wiring.selinux === undefined ? diff : exceptSwitch(found.engine, diff);
  if (others.length === 0 && warnings.length === 0) return;
  throw new KataError('engine-rejects', {
    subject: found.instance.configPath,
    found: `the change would alter more than the handlers of kata-sysext: ${[...others, ...warnings].slice(0, 5).join('; ')}`,
    needed: `only ${touched.join(', ')} to differ in the effective configuration`,
    next: `look at: ${dump.showCommand(found.instance)}`,
    details: { keys: others, warnings },
  });
}
