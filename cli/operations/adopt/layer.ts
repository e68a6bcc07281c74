import { type Finding, KataError } from '../../errors/index.ts';
import { isRequested, type Layering, layeringOf, machineConfigOf } from '../../facts/index.ts';
import type { HostPath, HostView } from '../../host/index.ts';
import { command } from '../../output/index.ts';
import type { ChangeOptions, InstallRequest, Layer } from '../../planning/choices/types.ts';
import type { Restoring } from '../../planning/types.ts';
import { findEnginesToWire } from '../../preflight/engines.ts';
import type { OperationPlan, View } from '../../runner/types.ts';
import { activeGeneration, type Generation, marksOf } from '../../store/index.ts';
import { planInstall } from '../install.ts';

/** The package of Fedora and RHEL, and where its shim is. */
const name = 'kata-containers';
const shim: HostPath = '/usr/bin/containerd-shim-kata-v2';
/** What its RuntimeClass points at where nothing in the engine's files says another name. */
const usualHandler = 'kata';
/** How MachineConfigs call it: RHCOS's extension, and that of Fedora CoreOS (docs/facts/kata.md#packages). */
const extensions = ['sandboxed-containers', name];
const removal = `rpm-ostree uninstall ${name}`;
/** A new deployment of a large image on a slow disk takes minutes. */
const deadlineMs = 1_800_000;

/**
 * The layered package as a change finds it. `yes`: the change stages its removal. Throws `nothing-to-adopt`, `owned-by-machineconfig`,
 * `layer-pending`, `adopt-unproven`, `usage` and the codes of the engine.
 */
async function layerOf(host: HostView, options: ChangeOptions, yes: boolean): Promise<Layer> {
  await refuseExtension(host);
  const layering = await layeringOf(host);
  if (layering === undefined || !isRequested(layering.requested, name)) throw await notLayered(host, layering);
  if (yes && !host.live) throw notHere(host);
  const going = layering.next !== undefined && !isRequested(layering.next, name);
  if (layering.busy || (yes && layering.next !== undefined && !going)) throw pending(layering);
  if ((await host.stat(shim)) === undefined) throw withoutShim();
  const from = await activeGeneration(host);
  const [first] = await findEnginesToWire(host, options.engines, from?.record.wiring);
  const { engine, instance } = first!;
  const foreignWiring = await engine.findForeignWiring(host, instance, shim);
  refuseShared(from, foreignWiring.marks);
  const stages = yes && !going;
  return {
    name,
    shim,
    foreignWiring,
    handlers: foreignWiring.handlers.length === 0 ? [usualHandler] : foreignWiring.handlers,
    step: stages ? { kind: 'layer', package: name, deadlineMs } : undefined,
    findings: [note(stages || going)],
    nextCommand: stages || going ? 'systemctl reboot' : removal,
  };
}

function note(staged: boolean): Finding {
  return {
    code: 'layer-stays',
    level: 'info',
    subject: name,
    found: staged ? `the next boot starts without the layered ${name}` : `${name} stays layered; nothing points at it any more`,
    needed: staged ? 'a reboot, whenever it suits' : 'its removal, and a reboot, whenever they suit',
    next: staged ? 'systemctl reboot' : `${removal}; systemctl reboot`,
  };
}

/** What an uninstall says where others' wiring is back and their package is about to go. */
export async function layerNotes(host: HostView, restoring: Restoring | undefined): Promise<Finding[]> {
  if (restoring === undefined || !host.live) return [];
  const layering = await layeringOf(host).catch(() => undefined);
  if (layering?.next === undefined || isRequested(layering.next, name)) return [];
  return [
    {
      code: 'layer-stays',
      level: 'warning',
      subject: name,
      found: `${restoring.handlers.join(', ')} is served by the layered ${name} again, and the next boot starts without it`,
      needed: 'to keep the layer, if it is wanted',
      next: 'rpm-ostree status; rpm-ostree cleanup --pending drops what waits for the next boot',
    },
  ];
}

/** A package that a MachineConfig adds comes back, or its absence counts as drift. */
async function refuseExtension(host: HostView): Promise<void> {
  const config = await machineConfigOf(host);
  const found = config?.extensions.find((each) => extensions.includes(each));
  if (config === undefined || found === undefined) return;
  throw new KataError('owned-by-machineconfig', {
    subject: found,
    found: `${name} is on this node because a MachineConfig asks for the extension ${found}; it is part of ${config.name}`,
    needed: 'that MachineConfig without the extension; the operator then reboots the nodes of the pool one after the other',
    next: `which one it is: oc get machineconfigs -o json | jq -r '.items[] | select(any(.spec.extensions[]?; . == "${found}")) | .metadata.name'; with the operator for sandboxed containers: delete its KataConfig`,
    details: { extension: found, machineConfig: config.name, pool: config.pool },
  });
}

async function notLayered(host: HostView, layering: Layering | undefined): Promise<KataError> {
  const inImage = layering !== undefined && (await host.stat(shim)) !== undefined;
  const where = host.live ? 'rpm-ostree is not on this host' : 'no deployment of this tree tells of packages';
  return new KataError('nothing-to-adopt', {
    subject: name,
    found:
      layering === undefined
        ? `${where}, so nothing is layered`
        : `${name} is not layered${inImage ? `, though ${shim} is there: it is part of the image` : ''}`,
    needed: `${name} as a package that was layered onto the image`,
    next: inImage ? 'install beside it under another name, and take it out of the image' : command(host, 'install BUNDLE...'),
  });
}

function notHere(host: HostView): KataError {
  return new KataError('usage', {
    subject: '--yes',
    found: `--yes for ${host.root}, which does not run`,
    needed: 'a booted host: only there rpm-ostree can stage a deployment',
    next: `leave --yes out; once the host runs: ${removal}`,
  });
}

function pending({ busy }: Layering): KataError {
  return new KataError('layer-pending', {
    subject: 'rpm-ostree',
    found: busy ? 'rpm-ostree is at work' : `another deployment, with ${name} still in it, waits for the next boot`,
    needed: busy ? 'the end of its transaction' : 'no deployment that waits: what would be staged takes its place',
    next: busy ? 'rpm-ostree status' : 'systemctl reboot, or rpm-ostree cleanup --pending; without --yes the layer is left alone',
  });
}

function withoutShim(): KataError {
  return new KataError('adopt-unproven', {
    subject: shim,
    found: `${name} is layered, and ${shim} is not there`,
    needed: 'the shim by which its handlers are known',
    next: `rpm -ql ${name}; rpm-ostree status`,
  });
}

/** Two marks in one file cannot be told apart by their texts alone. */
function refuseShared(from: Generation | undefined, marks: { path: HostPath }[]): void {
  const own = new Set(marksOf(from?.record.wiring).map(({ path }) => path));
  const shared = marks.find(({ path }) => own.has(path));
  if (shared === undefined) return;
  throw new KataError('engine-unsupported', {
    subject: shared.path,
    found: `${shared.path} has the wiring of the layered ${name} and that of kata-sysext`,
    needed: 'one file for each wiring',
    next: 'uninstall first, then adopt',
  });
}

interface LayeredRequest extends InstallRequest {
  /** Also stage the removal of the package. */
  yes: boolean;
}

/**
 * Replaces a layered package by a new generation whose handlers keep the package's names: one change, with one restart of the engine. The
 * package itself goes at the next reboot. kata-sysext never reboots the host.
 */
export async function planAdoptLayered(view: View, { yes, ...request }: LayeredRequest): Promise<OperationPlan> {
  return planInstall(view, { ...request, layer: await layerOf(view.host, request, yes) }, 'adopt');
}
