import { execFileSync } from 'node:child_process';
import { bytesOf } from '../trees/renderedTree.ts';

/** Words of a line as a shell takes them. */
export function wordsOf(line: string): string[] {
  return execFileSync('sh', ['-c', `printf '%s\\0' ${line}`], { encoding: 'utf8' })
    .split('\0')
    .slice(0, -1);
}

/** What the hook of an Ignition configuration has the node's own program do: its words, with the downloads in `work`. */
export function installationIn(config: { storage: { files: { contents: { source: string } }[] } }, work: string): string[] {
  const script = bytesOf(config.storage.files[0]!.contents.source).toString();
  const [, line] = /^"\$work\/kata-sysext" (install .*) --progress plain \|\|/m.exec(script)!;
  return wordsOf(line!.replaceAll('"$work"', work));
}
