import type { Cri } from '../cri/index.ts';
import { networkReady } from '../cri/index.ts';
import type { Engine, EngineCri, Instance } from '../engines/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { noImage } from './findings.ts';
import { criAt } from './removing.ts';

/** What a pod needs of the engine before it is asked for one. */
export interface Readiness {
  /** Why the engine has no network for pods. */
  networkMissing?: string;
  /** What the sandbox and the container are made from, where the node has it. */
  image?: string;
  imageMissing?: Finding;
}

const askDeadlineMs = 10_000;

/** Asks the engine, and changes nothing. Throws KataError where it does not answer. */
export async function readinessOf(host: HostView, engine: Engine, instance: Instance): Promise<Readiness> {
  if (engine.cri === undefined) throw withoutCri(engine.name);
  const cri = await criAt(host, instance.socket, askDeadlineMs);
  try {
    const status = await cri.status(true);
    const network = networkReady(status);
    if (!network.ready) return { networkMissing: network.why };
    const dump = (await engine.dump?.dumpEffective(host, instance).catch(() => undefined)) ?? {};
    return await imageReadiness(cri, engine.cri, instance, engine.cri.sandboxImage(status.info, dump));
  } finally {
    cri.close();
  }
}

async function imageReadiness(cri: Cri, own: EngineCri, instance: Instance, image: string | undefined): Promise<Readiness> {
  return image !== undefined && (await cri.hasImage(image)) ? { image } : { imageMissing: noImage(instance, own, image) };
}

/** A pod is a matter of the CRI. */
function withoutCri(name: string): KataError {
  return new KataError('engine-unsupported', {
    subject: name,
    found: `${name} serves no CRI`,
    needed: 'a CRI, to start a pod as proof',
    next: 'kata-sysext verify --boot-guest',
  });
}
