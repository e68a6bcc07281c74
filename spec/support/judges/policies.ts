import { execFileSync } from 'node:child_process';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cached } from '../../lab/cache.ts';
import { run } from '../../lab/run.ts';
import { needs } from '../needs.ts';
import { fedoraContexts } from '../policies/fedoraContexts.ts';

/** File contexts of a policy as its own tools installed them, path aliases beside them. */
export interface Policy {
  /** As overlays/labels.json names it. */
  family: string;
  contexts: string;
}

const debian = 'selinux-policy-default';

/** Fedora's and Debian's; the spec is left out where one of them cannot be had. */
export async function bothPolicies(spec: Mocha.Context): Promise<Policy[]> {
  needs(spec, 'matchpathcon', 'setfiles', 'semodule', 'apt-get', 'dpkg-deb');
  return [
    { family: 'fedora-targeted', contexts: join(fedoraContexts(), 'file_contexts') },
    { family: 'debian-refpolicy', contexts: await debianContexts() },
  ];
}

/** Made as the package's own script makes them, in a folder: nothing is installed. */
async function debianContexts(): Promise<string> {
  const { stdout } = await run(['apt-cache', 'show', '--no-all-versions', debian]);
  const version = /^Version: (.*)$/m.exec(stdout)?.[1] ?? '';
  const recipe = await readFile(new URL(import.meta.url), 'utf8');
  const folder = await cached('debian-contexts', [version, recipe], async (into) => {
    await run(['apt-get', 'download', '-q', debian], { cwd: into, timeoutMs: 600_000 });
    const [archive] = (await readdir(into)).filter((name) => name.endsWith('.deb'));
    await run(['dpkg-deb', '-x', archive ?? '', '.'], { cwd: into });
    await mkdir(join(into, 'var/lib/selinux/default'), { recursive: true });
    await writeFile(join(into, 'etc/selinux/config'), 'SELINUX=enforcing\nSELINUXTYPE=default\n');
    await writeFile(join(into, 'etc/selinux/semanage.conf'), 'module-store = direct\nexpand-check = 0\n');
    const modules = join(into, 'usr/share/selinux/default');
    const names = (await readFile(join(modules, '.modules'), 'utf8')).trim().split(/\s+/);
    const all = names.flatMap((name) => ['-i', join(modules, `${name}.pp.bz2`)]);
    await run(['semodule', '-n', '-N', '-p', into, '-s', 'default', '-X', '100', ...all], { timeoutMs: 600_000 });
    for (const name of [archive ?? '', 'usr', 'var']) await rm(join(into, name), { recursive: true });
  });
  return join(folder, 'etc/selinux/default/contexts/files/file_contexts');
}

/** The type that a policy gives each path, by the kind of what lies there. */
export function stockTypes({ contexts }: Policy, kind: 'file' | 'directory' | 'symlink', paths: string[]): Map<string, string> {
  if (paths.length === 0) return new Map();
  const mode = { file: 'file', directory: 'dir', symlink: 'lnk_file' }[kind];
  const said = execFileSync('matchpathcon', ['-f', contexts, '-m', mode, ...paths], { encoding: 'utf8', maxBuffer: 1 << 24 });
  return new Map(
    said
      .trim()
      .split('\n')
      .map((line): [string, string] => [line.split('\t')[0]!, /:object_r:(\w+)/.exec(line)?.[1] ?? line]),
  );
}
