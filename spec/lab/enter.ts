import type { ChildProcess } from 'node:child_process';
import { type Ran, run, start } from './run.ts';

export interface InsideOptions {
  env?: Record<string, string>;
  input?: string;
  timeoutMs?: number;
  allowFailure?: boolean;
}

/** What namespace hosts and VM hosts have in common: commands as root inside, which throw on a nonzero status unless told otherwise. */
export interface Commands {
  run(argv: string[], options?: InsideOptions): Promise<Ran>;
  sh(script: string, options?: InsideOptions): Promise<Ran>;
}

const ENVIRONMENT = {
  PATH: '/mnt/tools:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
  HOME: '/root',
  TERM: 'dumb',
  LANG: 'C.UTF-8',
};

export async function runInside(leader: number, argv: string[], options: InsideOptions = {}): Promise<Ran> {
  return await run(inside(leader, argv, options), { ...options, env: {} });
}

export function entering(leader: number, argv: string[], options: InsideOptions = {}): ChildProcess {
  return start(inside(leader, argv, options), { ...options, env: {} });
}

/** The command line that runs a program in all namespaces of the host, with nothing of this process's environment. */
export function inside(leader: number, argv: string[], options: InsideOptions = {}): string[] {
  const variables = Object.entries({ ...ENVIRONMENT, ...options.env }).map(([name, value]) => `${name}=${value}`);
  return [
    'nsenter',
    '-t',
    String(leader),
    '-m',
    '-u',
    '-i',
    '-n',
    '-p',
    '-C',
    '--',
    '/usr/bin/env',
    '-i',
    '-C',
    '/',
    ...variables,
    ...argv,
  ];
}
