import { byBytes, type HostView } from '../../host/index.ts';

/** One line a path of the whole tree: kind, mode, owner, size and digest or target. Two equal listings are two equal trees. */
export async function listing(host: HostView, below = ''): Promise<string[]> {
  const lines: string[] = [];
  for (const name of await host.readdir(below === '' ? '/' : below)) {
    const path = `${below}/${name}`;
    const stat = await host.lstat(path);
    if (stat === undefined) continue;
    const content = stat.kind === 'file' ? await host.digest(path) : stat.kind === 'symlink' ? await host.readlink(path) : '';
    lines.push(`${path} ${stat.kind} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${content}`);
    if (stat.kind === 'directory') lines.push(...(await listing(host, path)));
  }
  return lines.sort(byBytes);
}
