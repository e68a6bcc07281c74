import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { LabHost } from './host.ts';
import { bootstrapped, type Suite } from './roots.ts';
import { type Ran, run } from './run.ts';

const apart = ['unshare', '--mount', '--propagation', 'private', 'sh', '-ec'];

/** A root with Ansible and an ssh client: what an administrator's machine has. */
function controlRoot(suite: Suite): Promise<string> {
  return bootstrapped(`root-ansible-${suite}`, suite, ['ansible-core', 'openssh-client', 'util-linux']);
}

/** A machine from which hosts are reached by ssh under their names. */
export interface Control {
  /** In `folder`, as root, with Ansible and ssh. */
  sh(script: string): Promise<Ran>;
}

// $1 the root, $2 the folder, $3 what to run; no mount of it outlives the shell
const SCRIPT = `
mount -t overlay -o "lowerdir=$2/lower:$1" overlay "$2/root"
cd "$2/root"
mount --rbind /proc proc
mount --rbind /dev dev
mount -t tmpfs tmpfs tmp
mount -t tmpfs tmpfs root
mount -t tmpfs tmpfs srv
mkdir -m 700 root/.ssh
cp "$2/config" root/.ssh/
mount --bind "$2/work" srv
exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root LANG=C.UTF-8 ANSIBLE_FORCE_COLOR=0 chroot . sh -c "cd /srv; $3"
`;

/**
 * Makes the keys, lets the hosts know them, and reaches each of `nodes` by its name: its sshd is started for each connection in all of
 * its namespaces, so that no network is needed. `work`: a folder below `folder` that the machine sees as its working folder.
 */
export async function controlMachine(folder: string, nodes: Record<string, LabHost>): Promise<Control> {
  const root = await controlRoot('trixie');
  for (const name of ['root', 'lower', 'work']) await mkdir(join(folder, name), { recursive: true });
  const sh = async (script: string) => {
    // A reboot gives a host another process 1.
    await writeFile(join(folder, 'config'), [...Object.entries(nodes).map(configOf), 'Host *\n  ProxyCommand false\n'].join(''));
    return run([...apart, SCRIPT, 'sh', root, folder, script], { allowFailure: true });
  };
  const made = await sh("ssh-keygen -q -t ed25519 -N '' -C lab -f .key && cat .key.pub");
  if (made.code !== 0) throw new Error(made.stderr);
  for (const node of Object.values(nodes))
    await node.sh('mkdir -p -m 700 /root/.ssh /run/sshd; cat >/root/.ssh/authorized_keys', { input: made.stdout });
  return { sh };
}

function configOf([name, { leader }]: [string, LabHost]): string {
  return `Host ${name}
  User root
  IdentityFile /srv/.key
  StrictHostKeyChecking no
  UserKnownHostsFile /dev/null
  LogLevel ERROR
  ProxyCommand nsenter -t ${leader} -m -u -i -n -p -C -- /usr/sbin/sshd -i
`;
}
