import { spawnSync } from 'node:child_process';
import type { Sum } from './tierRun.ts';

/** What a file of specs came to: how many passed, and why the others failed. */
export interface FileResult {
  passed: number;
  reasons: string[];
}

/**
 * The kernel of an emulated machine may panic where QEMU runs text that another processor is changing (seen once in __schedule, while a
 * guest of the nested KVM ended). That says nothing of the program: such a file runs once more. What else fails stays failed.
 */
export function panicked({ reasons }: FileResult): boolean {
  return reasons.length > 0 && reasons.every((reason) => reason.includes('Kernel panic - not syncing'));
}

/** Runs the file once more in a process of its own, with the same seed, and puts its result in the place of the first one. */
export function withSecondRun(sum: Sum, file: string, first: FileResult, run: (file: string) => string = runAlone): Sum {
  console.log(`\n! the kernel of the emulated machine panicked: ${file} runs once more\n`);
  const said = run(file);
  const [line, passed, failed, skipped] = /^(\d+) passed, (\d+) failed, (\d+) skipped$/m.exec(said) ?? [];
  // The tier's own sum is the one that counts.
  console.log(line === undefined ? said : said.replace(line, `the second run: ${line}`));
  return {
    passed: sum.passed - first.passed + Number(passed ?? 0),
    failed: sum.failed - first.reasons.length + Number(failed ?? 1),
    skipped: sum.skipped + Number(skipped ?? 0),
  };
}

function runAlone(file: string): string {
  const env = { ...process.env, KATA_SYSEXT_FILE: file };
  const { stdout, stderr } = spawnSync(process.execPath, [...process.execArgv, ...process.argv.slice(1)], {
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  return `${stdout}${stderr}`;
}
