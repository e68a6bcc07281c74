import { spawn } from 'node:child_process';
import { access } from 'node:fs/promises';
import { cleanEnvironment } from './programs.ts';

const program = '/usr/bin/systemd-inhibit';

/**
 * Asks logind to hold back a shutdown until `release`. The helper ends when its standard input closes, so it cannot outlive this process.
 * Where there is no logind nothing is held back: a change survives a power cut, so it survives a shutdown.
 */
export async function inhibitShutdown(why: string): Promise<() => void> {
  const there = await access(program).then(
    () => true,
    () => false,
  );
  if (!there) return () => undefined;
  const child = spawn(program, ['--what=shutdown', '--who=kata-sysext', `--why=${why}`, '--mode=block', '/bin/cat'], {
    env: cleanEnvironment,
    stdio: ['pipe', 'ignore', 'ignore'],
    // Away from the terminal's ^C: while the change undoes itself the shutdown is still held back.
    detached: true,
  });
  child.on('error', () => undefined);
  child.stdin.on('error', () => undefined);
  child.unref();
  return () => child.stdin.end();
}
