import type { Cri } from '../engines/cri/index.ts';
import { networkReady, sandboxImageOf } from '../engines/cri/index.ts';
import type { Engine, Instance } from '../engines/index.ts';
import type { Finding } from '../errors/index.ts';
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
  const cri = await criAt(host, instance.socket, askDeadlineMs);
  try {
    const status = await cri.status(true);
    const network = networkReady(status);
    if (!network.ready) return { networkMissing: network.why };
    const dump = await engine.dumpEffective(host, instance).catch(() => ({}));
    return await imageReadiness(cri, instance, sandboxImageOf(status.info, dump));
  } finally {
    cri.close();
  }
}

async function imageReadiness(cri: Cri, instance: Instance, image: string | undefined): Promise<Readiness> {
  return image !== undefined && (await cri.hasImage(image)) ? { image } : { imageMissing: noImage(instance, image) };
}
