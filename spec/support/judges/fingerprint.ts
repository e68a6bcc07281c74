import { execFileSync } from 'node:child_process';

/**
 * The judge of "byte for byte the same": find, sha256sum and getfattr, nothing of ours. One line a path with kind, mode, owner, target,
 * content digest and every xattr. Folders named in `leaveOut` (relative) are left out.
 */
export function fingerprint(root: string, folders: string[] = ['.'], leaveOut: string[] = []): string[] {
  const prune = leaveOut.flatMap((path) => ['-path', `./${path}`, '-prune', '-o']);
  const there = folders.filter(
    (folder) =>
      execFileSync('sh', ['-c', 'test -e "$1" || test -L "$1"; echo $?', 'sh', `${root}/${folder}`])
        .toString()
        .trim() === '0',
  );
  // Without a start find(1) takes all there is.
  if (there.length === 0) return [];
  const starts = there.map((folder) => (folder === '.' ? '.' : `./${folder}`));
  const run = (command: string, args: string[]) => execFileSync(command, args, { cwd: root, maxBuffer: 1 << 28 }).toString();
  const shape = run('find', [...starts, '-xdev', ...prune, '-printf', '%p|%y|%m|%U:%G|%l\\n']).split('\n');
  const files = run('find', [...starts, '-xdev', ...prune, '-type', 'f', '-print0']);
  const sums = execFileSync('xargs', ['-0', '-r', 'sha256sum', '--'], { cwd: root, input: files, maxBuffer: 1 << 28 })
    .toString()
    .split('\n');
  const paths = run('find', [...starts, '-xdev', ...prune, '-print0']);
  const attributes = execFileSync('xargs', ['-0', '-r', 'getfattr', '--no-dereference', '--dump', '--match=-', '--absolute-names', '--'], {
    cwd: root,
    input: paths,
    maxBuffer: 1 << 28,
    stdio: ['pipe', 'pipe', 'ignore'],
  })
    .toString()
    .split('\n\n');
  return [...shape, ...sums, ...attributes]
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .sort();
}

/** The first lines that are in one but not in the other. */
export function differences(before: string[], after: string[]): string[] {
  const [a, b] = [new Set(before), new Set(after)];
  return [
    ...before.filter((line) => !b.has(line)).map((line) => `- ${line}`),
    ...after.filter((line) => !a.has(line)).map((line) => `+ ${line}`),
  ].slice(0, 20);
}
