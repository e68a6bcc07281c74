import { run } from '../../spec/lab/run.ts';

/** What a release is made of, by Git. */
export interface Source {
  commit: string;
  /** When that was committed: seconds since 1970. Every time in a release is this one. */
  seconds: number;
  /** Whether files differ from the commit. */
  changed: boolean;
}

/**
 * The commit of a working folder. Throws where there is none, or where files differ from it: a release says what it was made of. `trial`
 * takes such a folder too, and the provenance says so.
 */
export async function sourceOf({ trial, folder = '.' }: { trial: boolean; folder?: string }): Promise<Source> {
  const git = async (...argv: string[]) => (await run(['git', ...argv], { cwd: folder })).stdout.trim();
  const changes = await git('status', '--porcelain');
  if (changes !== '' && !trial)
    throw new Error(
      `files differ from the commit:\n${changes}\nneeded: a release is made of a commit. Next: git commit, or --trial to try`,
    );
  const [commit, seconds] = (await git('log', '-1', '--format=%H %ct')).split(' ');
  if (commit === undefined || seconds === undefined) throw new Error('git names no commit');
  return { commit, seconds: Number(seconds), changed: changes !== '' };
}
