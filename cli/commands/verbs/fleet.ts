import { apiServer } from '../../cluster/api.ts';
import { KataError } from '../../errors/index.ts';
import { kubeconfigAccess } from '../../fleet/kubeconfig.ts';
import { readCluster } from '../../fleet/read.ts';
import { fleetStatus } from '../../fleet/status.ts';
import { fleetText } from '../../fleet/text.ts';
import type { Call, Reply } from '../types.ts';

const usualNamespace = 'kata-sysext';

/** `status --fleet`: the nodes of a cluster, as their pods report them. It reads, and changes nothing. */
export async function run({ context, io, options }: Call): Promise<Reply> {
  const { kubeconfig, namespace = usualNamespace, sbom, verbose } = options;
  if (sbom === true) throw usage('--fleet', '--fleet together with --sbom', 'kata-sysext status --fleet');
  // It becomes a part of a path (RFC 1123).
  if (!/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/.test(String(namespace)))
    throw usage('--namespace', `--namespace ${namespace}: this is no name of a namespace`, 'kubectl get namespaces');
  const named = typeof kubeconfig === 'string' ? kubeconfig : undefined;
  const access = await kubeconfigAccess({ named, env: io.env, cwd: io.cwd }, context.signal);
  const status = fleetStatus(await readCluster(apiServer(access, context.signal), String(namespace)));
  return { kind: 'FleetStatus', body: status, text: fleetText(status, verbose === true) };
}

function usage(subject: string, found: string, next: string): KataError {
  return new KataError('usage', { subject, found, needed: 'options as kata-sysext status --help shows them', next });
}
