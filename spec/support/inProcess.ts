import type { Ran } from './program.ts';

export interface InProcessOptions {
  cwd?: string;
  env?: Record<string, string>;
}

/**
 * The whole program in this process: argv in, status and both outputs out. What it runs counts as covered, and no process has to be started.
 * Loaded with import(): mocha loads specs with require(), and modules of both kinds would know none of each other's errors.
 */
export async function runInProcess(argv: string[], { cwd = '/', env = {} }: InProcessOptions = {}): Promise<Ran> {
  const { main } = await import('../../cli/commands/run.ts');
  const said = { stdout: '', stderr: '' };
  const taking = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      said[name] += text;
      return true;
    },
  });
  const status = await main(argv, {
    stdout: taking('stdout'),
    stderr: taking('stderr') as unknown as NodeJS.WritableStream,
    env: { PATH: process.env['PATH'], ...env },
    cwd,
    onSignal: () => () => undefined,
    onFault: () => () => undefined,
  });
  return { status, ...said };
}
