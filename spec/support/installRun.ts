import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Fetched, installScript } from '../../scripts/release/installScript.ts';
import { type Ran, run } from '../lab/run.ts';
import { sha256 } from './digests.ts';
import { authority } from './tlsServer.ts';

/** What install.sh asks of every machine. */
const always = ['sh', 'uname', 'mktemp', 'wc', 'cut', 'chmod', 'mv', 'rm', 'mkdir', 'grep', 'sha256sum'];
const folders = ['/usr/local/bin', '/usr/bin', '/bin', '/usr/sbin', '/sbin'];

/** A program that says this version, and that it ran. */
export function programSaying(version: string): Buffer {
  return Buffer.from(`#!/bin/sh\necho ran >>"\${0%/*/*}/ran"\necho ${version}\n`);
}

/** The script of a release that has these files. */
export function scriptFor(version: string, files: Record<string, Buffer>): string {
  const known = Object.entries(files).map(([name, bytes]): Fetched => ({ name, sha256: sha256(bytes), bytes: bytes.length }));
  return installScript(version, known);
}

export interface Machine {
  /** Where the program is put; a file `ran` there has a line for each time that a program ran. */
  to: string;
  /** Runs the script as it would run on a machine with a few programs. */
  install(script: string, args: string[], options?: { env?: Record<string, string>; shell?: string[]; to?: boolean }): Promise<Ran>;
  /** What is in the folder of the program, and what ran. */
  found(): { names: string[]; ran: number; program: string | undefined; mode: number | undefined };
}

/**
 * A machine whose PATH has what the script needs and these programs, by name or by name and text.
 *
 * @param without programs that it lacks
 */
export function machine(folder: string, programs: (string | [name: string, text: string])[], without: string[] = []): Machine {
  const [path, to, home] = [join(folder, 'path'), join(folder, 'to'), join(folder, 'home')];
  for (const each of [path, to, home]) mkdirSync(each, { recursive: true });
  for (const each of [...always.filter((name) => !without.includes(name)), ...programs]) {
    if (typeof each === 'string') symlinkSync(realOf(each), join(path, each));
    else {
      writeFileSync(join(path, each[0]), each[1]);
      chmodSync(join(path, each[0]), 0o755);
    }
  }
  const script = join(folder, 'install.sh');
  return {
    to,
    async install(text, args, { env = {}, shell = ['/bin/sh'], to: named = true } = {}) {
      writeFileSync(script, text);
      const argv = [...shell, script, ...(named ? ['--to', to] : []), ...args];
      return await run(argv, {
        allowFailure: true,
        cwd: folder,
        env: { PATH: path, HOME: home, CURL_CA_BUNDLE: authority, KATA_SYSEXT_URL: '', no_proxy: 'localhost,127.0.0.1', ...env },
      });
    },
    found() {
      const program = join(to, 'kata-sysext');
      const isThere = existsSync(program) && statSync(program).isFile();
      return {
        names: readdirSync(to).sort(),
        ran: existsSync(join(to, 'ran')) ? readFileSync(join(to, 'ran'), 'utf8').split('\n').length - 1 : 0,
        program: isThere ? readFileSync(program, 'utf8') : undefined,
        mode: isThere ? statSync(program).mode & 0o777 : undefined,
      };
    },
  };
}

function realOf(name: string): string {
  const [found] = folders.map((each) => join(each, name)).filter((path) => existsSync(path));
  if (found === undefined) throw new Error(`${name} is not on this machine`);
  return found;
}
