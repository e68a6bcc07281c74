import type { Finding } from '../../../errors/index.ts';
import type { HostView } from '../../../host/index.ts';
import type { Deployed } from './types.ts';

const runtimeLabel = 'katacontainers.io/kata-runtime';
const instanceLabels = 'kata-deploy.katacontainers.io';
/** Job form of 4.2. */
const resultLabel = 'kata-deploy-job-dispatcher/result';

/**
 * What of kata-deploy is in the cluster, where no node may change it: the commands. `serves`: its handlers' names are served by kata-sysext
 * from now on.
 */
export async function clusterNotes(host: HostView, { destinations, handlers }: Deployed, serves: boolean): Promise<Finding[]> {
  const node = await nodeName(host);
  const instances = instancesOf(destinations).map((name) => `${instanceLabels}/${name}`);
  const gone = [runtimeLabel, ...instances, resultLabel].map((label) => `${label}-`).join(' ');
  const kept = [runtimeLabel, ...instances].map((label) => `${label}=true`).join(' ');
  const labels = note(
    `node ${node}`,
    serves
      ? 'the labels by which the RuntimeClasses of kata-deploy select this node'
      : 'labels of kata-deploy, if it did not take them away',
    serves ? 'them, as long as these RuntimeClasses are used' : 'none of them: they would bring pods to a node without Kata',
    serves ? `kubectl label node ${node} ${kept} --overwrite` : `kubectl label node ${node} ${gone}`,
  );
  const names = handlers.map(({ name }) => name).join(' ');
  const classes = note(
    'RuntimeClasses',
    `RuntimeClasses with the handlers ${handlers.map(({ name }) => name).join(', ') || 'of kata-deploy'}, which helm uninstall takes away`,
    serves ? 'RuntimeClasses of your own with these names, before the chart goes' : 'none, once no node serves them',
    names === ''
      ? 'kubectl get runtimeclass'
      : serves
        ? `kubectl get runtimeclass ${names} -o yaml`
        : `kubectl delete runtimeclass ${names} --ignore-not-found`,
  );
  const objects = note(
    'the cluster',
    'objects that the chart keeps, or that an uninstall which was cut off left',
    'none of them once no node uses kata-deploy',
    'kubectl get clusterrole,clusterrolebinding,daemonset,job,cronjob,configmap -A -o name | grep kata-deploy; where Node Feature Discovery runs: kubectl get nodefeaturerule',
  );
  return [labels, classes, objects];
}

function note(subject: string, found: string, needed: string, next: string): Finding {
  return { code: 'kata-deploy-cluster', level: 'info', subject, found, needed, next };
}

/** 'default', or the suffix of an installation. */
function instancesOf(destinations: readonly string[]): string[] {
  const names = destinations.map((path) => /\/kata-(?<suffix>[^/]+)$/.exec(path)?.groups?.['suffix'] ?? 'default');
  return [...new Set(names.length === 0 ? ['default'] : names)];
}

/** The kubelet takes the host's name in small letters, unless it is given another. */
async function nodeName(host: HostView): Promise<string> {
  const name = ((await host.readText('/etc/hostname').catch(() => undefined)) ?? '').trim().toLowerCase();
  return /^[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?$/.test(name) ? name : 'NODE';
}
