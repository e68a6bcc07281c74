import { composefsFolder, deploymentOf } from '../facts/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import { numberAt, pointer } from './paths.ts';

/** How operating systems keep several versions beside each other, each with an /etc of its own. */
const kinds: { list(host: HostView): Promise<{ deployment: string; etc: HostPath }[]> }[] = [
  { list: ostreeDeployments },
  { list: composefsDeployments },
  { list: snapshots },
];

/** What another deployment of this host has active. */
export interface PointedElsewhere {
  deployment: string;
  generation: number;
}

/** Generations that other deployments of this host point at: their /etc has a pointer of its own, /var is shared. */
export async function pointersElsewhere(host: HostView): Promise<PointedElsewhere[]> {
  const found: PointedElsewhere[] = [];
  for (const { deployment, etc } of await otherDeployments(host)) {
    const target = await host.readlink(`${etc}${pointer.slice('/etc'.length)}`);
    const number = numberAt(target);
    if (number !== undefined) found.push({ deployment, generation: number });
  }
  return found;
}

export async function pointedElsewhere(host: HostView): Promise<Set<number>> {
  return new Set((await pointersElsewhere(host)).map(({ generation }) => generation));
}

/** A deployment of this host, not this one, in whose /etc the file `path` has this text. */
export async function deploymentWith(host: HostView, path: HostPath, text: string): Promise<string | undefined> {
  for (const { deployment, etc } of await otherDeployments(host))
    if ((await host.readText(`${etc}${path.slice('/etc'.length)}`)) === text) return deployment;
  return undefined;
}

/** Whether a deployment, named as `deploymentOf` does, is still on the disk. */
export async function hasDeployment(host: HostView, name: string): Promise<boolean> {
  return (await allDeployments(host)).some(({ deployment }) => deployment === name);
}

/** By name, and by the folder itself: an /etc that is an overlay is another folder than its upper one, and offline there is no name. */
async function otherDeployments(host: HostView): Promise<{ deployment: string; etc: HostPath }[]> {
  const [own, booted] = [await host.stat('/etc'), await deploymentOf(host)];
  const all = await Promise.all((await allDeployments(host)).map(async (each) => ({ ...each, stat: await host.stat(each.etc) })));
  return all.filter(
    ({ deployment, stat }) => stat !== undefined && deployment !== booted && (stat.inode !== own?.inode || stat.device !== own.device),
  );
}

/** Every /etc next to this one, and this one again where it is listed. */
export async function allDeployments(host: HostView): Promise<{ deployment: string; etc: HostPath }[]> {
  return (await Promise.all(kinds.map(({ list }) => list(host)))).flat();
}

async function ostreeDeployments(host: HostView): Promise<{ deployment: string; etc: HostPath }[]> {
  const found: { deployment: string; etc: HostPath }[] = [];
  for (const os of await host.readdir('/ostree/deploy')) {
    const folder = `/ostree/deploy/${os}/deploy`;
    for (const deployment of await host.readdir(folder)) {
      if ((await host.stat(`${folder}/${deployment}`))?.kind === 'directory')
        found.push({ deployment, etc: `${folder}/${deployment}/etc` });
    }
  }
  return found;
}

async function composefsDeployments(host: HostView): Promise<{ deployment: string; etc: HostPath }[]> {
  return (await host.readdir(composefsFolder)).map((deployment) => ({ deployment, etc: `${composefsFolder}/${deployment}/etc` }));
}

/** Of transactional-update (MicroOS): snapper's numbered snapshots, /etc within each, or above it in an overlay of its own. */
async function snapshots(host: HostView): Promise<{ deployment: string; etc: HostPath }[]> {
  const numbers = (await host.readdir('/.snapshots')).filter((name) => /^\d+$/.test(name));
  return numbers.flatMap((number) =>
    [`/.snapshots/${number}/snapshot/etc`, `/var/lib/overlay/${number}/etc`].map((etc) => ({ deployment: `snapshot-${number}`, etc })),
  );
}
