import { run } from '../../spec/lab/run.ts';

/** Of every file and folder that goes into an archive: nothing of the machine, its users, its umask or its clock. */
const owners = ['--owner=0', '--group=0', '--numeric-owner', '--mode=u=rwX,go=rX'];

/** Writes a tar of what is in a folder: the same files give the same bytes. `prefix` is put before each path, in place of '.'. */
export async function tarOf(folder: string, file: string, { seconds, prefix = '.' }: { seconds: number; prefix?: string }): Promise<void> {
  const renamed = prefix === '.' ? [] : [`--transform=s,^\\.,${prefix},`];
  const format = ['--format=ustar', '--sort=name', `--mtime=@${seconds}`, ...owners, ...renamed];
  await run(['tar', ...format, '-cf', file, '-C', folder, '.'], { env: { LC_ALL: 'C', TAR_OPTIONS: '' } });
}

/**
 * FILE.gz in the place of FILE, without name and time. GNU gzip gives the same bytes on every machine; zlib inside Node asks the processor
 * which of its ways to search is fastest, and they find other matches.
 */
export async function gzipped(file: string): Promise<string> {
  await run(['gzip', '-9', '-n', '-f', file], { env: { GZIP: '' } });
  return `${file}.gz`;
}
