import { type Finding, KataError } from '../../errors/index.ts';
import { type HostFacts, mountOf, mounts } from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';
import { activeNumber, etcFolder, findGeneration, generationFolder, payloadRoot, pointer, readFolders } from '../../store/index.ts';
import type { Step } from '../../transaction/index.ts';
import type { Backend } from '../types.ts';

/** Files stay where the store put them; one symlink in /etc says which generation is active. Atomic, no mount, no gap. */
export const prefix: Backend = {
  name: 'prefix',
  fits,
  root: ({ ostree, selinux }) => payloadRoot((ostree.known && ostree.value) || (selinux.known && selinux.value.mode !== 'disabled')),
  base: () => `${pointer}/payload`,
  // The generation's own folder, not the pointer: a pod that starts during a switch must not mix two releases.
  home: (payloadFolder) => payloadFolder,
  plan: async (host, _from, to) => {
    const before = (await host.readlink(pointer)) ?? 'absent';
    await refuseForeignPointer(host);
    const after = to === undefined ? 'absent' : generationFolder(to.number);
    const switched: Step[] = before === after ? [] : [{ kind: 'pointer', path: pointer, before, after }];
    const folderThere = (await host.lstat(etcFolder)) !== undefined;
    if (to === undefined) {
      const ours = folderThere && (await readFolders(host)).made.includes(etcFolder);
      return ours ? [...switched, { kind: 'drop-folder', path: etcFolder }] : switched;
    }
    return folderThere || switched.length === 0 ? switched : [{ kind: 'folder', path: etcFolder, mode: 0o755 }, ...switched];
  },
  observe: async (host) => {
    const number = await activeNumber(host);
    if (number === undefined) return { problems: [] };
    const generation = await findGeneration(host, number);
    if (generation === undefined) return { problems: [`${pointer} points at generation ${number}, which is not there`] };
    const there = (await host.stat(`${pointer}/payload`))?.kind === 'directory';
    return { generation: number, problems: there ? [] : [`${pointer}/payload leads nowhere`] };
  },
};

async function refuseForeignPointer(host: HostView): Promise<void> {
  if ((await host.lstat(pointer)) === undefined || (await activeNumber(host)) !== undefined) return;
  throw new KataError('foreign-file', {
    subject: pointer,
    found: `${pointer} is not a link to a generation of kata-sysext`,
    needed: `${pointer} free or ours`,
    next: `move it away: mv ${pointer} ${pointer}.old`,
  });
}

async function fits(host: HostView, facts: HostFacts): Promise<Finding[]> {
  const root = prefix.root(facts);
  const real = await host.realpath(root);
  const mount = mountOf(await mounts(host), real);
  const bad = (['noexec', 'ro'] as const).filter((option) => mount?.options.includes(option));
  return bad.map((option) => ({
    code: 'backend-unfit',
    level: 'blocker',
    subject: real,
    found: `${real} lies on ${mount?.point}, which is mounted ${option}`,
    needed: 'a file system that can be written and from which programs may run',
    next: `mount -o remount,${option === 'ro' ? 'rw' : 'exec'} ${mount?.point}`,
  }));
}
