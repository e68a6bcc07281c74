import { appendFile } from 'node:fs/promises';
import { KataError } from '../errors/index.ts';

/**
 * A failpoint is a place where specs make the program fail. KATA_SYSEXT_FAILPOINT=NAME=error|kill|pause[@N] acts at the Nth passing
 * (default the first); KATA_SYSEXT_FAILPOINT_LOG=FILE appends each name passed. Without these variables a failpoint does nothing.
 */
export function failpoints(env: Readonly<Record<string, string | undefined>>): (name: string) => Promise<void> {
  const wish = /^([\w:./-]+)=(error|kill|pause)(?:@(\d+))?$/.exec(env['KATA_SYSEXT_FAILPOINT'] ?? '');
  const log = env['KATA_SYSEXT_FAILPOINT_LOG'];
  if (wish === null && log === undefined) return async () => undefined;
  let passed = 0;
  return async (name) => {
    if (log !== undefined) await appendFile(log, `${name}\n`);
    if (wish === null || wish[1] !== name) return;
    passed += 1;
    if (passed !== Number(wish[3] ?? 1)) return;
    if (wish[2] === 'kill') process.kill(process.pid, 'SIGKILL');
    if (wish[2] === 'pause') process.kill(process.pid, 'SIGSTOP');
    if (wish[2] === 'error') {
      throw new KataError('failed', { subject: name, found: `the failpoint ${name} was asked to fail`, needed: 'no failpoint', next: 'unset KATA_SYSEXT_FAILPOINT' });
    }
  };
}
