import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { changedSinceStart } from '../common/pendingRestarts.ts';
import { containerd } from '../containerd/index.ts';
import { pendingRestartsOfContainerd } from '../containerd/pendingRestarts.ts';
import type { Instance } from '../types.ts';
import { isBeside } from './detect.ts';
import { folder, runUnit } from './facts.ts';

/** See `Engine.pendingRestarts`: a restart also applies what is new in the folder of nodeadm. */
export async function pendingRestartsOfNodeadm(host: HostView, instance: Instance): Promise<Finding[]> {
  const daemon = { ...instance, engine: containerd.name };
  if (isBeside(instance)) return pendingRestartsOfContainerd(host, daemon);
  const { binary: _daemons, ...renderer } = daemon;
  const names = await host.readdir(folder);
  const paths: HostPath[] = [folder, ...names.map((name) => `${folder}/${name}`)];
  const process = instance.process && { ...instance.process, binaryReplaced: false };
  return [
    ...(await pendingRestartsOfContainerd(host, daemon)),
    ...(await changedSinceStart(host, { ...renderer, unit: runUnit, process }, paths)),
  ];
}
