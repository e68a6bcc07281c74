import { appendFile } from 'node:fs/promises';
import { KataError } from '../errors/index.ts';

/**
 * A failpoint is a place where specs make the program fail. KATA_SYSEXT_FAILPOINT=NAME=error|kill|pause[@N],… acts at the Nth passing
 * (default the first) of each name; KATA_SYSEXT_FAILPOINT_LOG=FILE appends each name passed. Without these variables a failpoint does nothing.
 */
export function failpoints(env: Readonly<Record<string, string | undefined>>): (name: string) => Promise<void> {
  const actions = (env['KATA_SYSEXT_FAILPOINT'] ?? '').split(',').flatMap(actionOf);
  const log = env['KATA_SYSEXT_FAILPOINT_LOG'];
  if (actions.length === 0 && log === undefined) return async () => undefined;
  const passed = new Map<string, number>();
  return async (name) => {
    if (log !== undefined) await appendFile(log, `${name}\n`);
    const nth = (passed.get(name) ?? 0) + 1;
    passed.set(name, nth);
    const action = actions.find((each) => each.name === name && each.nth === nth);
    if (action?.act === 'kill') process.kill(process.pid, 'SIGKILL');
    if (action?.act === 'pause') process.kill(process.pid, 'SIGSTOP');
    if (action?.act === 'error') {
      throw new KataError('failed', {
        subject: name,
        found: `the failpoint ${name} was asked to fail`,
        needed: 'no failpoint',
        next: 'unset KATA_SYSEXT_FAILPOINT',
      });
    }
  };
}

function actionOf(text: string): { name: string; act: string; nth: number }[] {
  const [, name, act, nth] = /^([\w:./-]+)=(error|kill|pause)(?:@(\d+))?$/.exec(text) ?? [];
  return name === undefined || act === undefined ? [] : [{ name, act, nth: Number(nth ?? 1) }];
}
