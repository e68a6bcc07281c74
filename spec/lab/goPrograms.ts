import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { cached } from './cache.ts';
import type { Availability } from './roots.ts';
import { run } from './run.ts';

/** Programs that no Debian suite has in this version, built from their Go modules: a newer one is a change of its line. */
const modules = {
  'ignition-validate': { module: 'github.com/coreos/ignition/v2@v2.26.0', main: './validate' },
  butane: { module: 'github.com/coreos/butane@v0.29.0', main: './internal' },
};

export type GoProgram = keyof typeof modules;

/** Whether a program can be had here; a `why` is for a skip's name. */
export async function goProgramAvailable(name: GoProgram): Promise<Availability> {
  try {
    await goProgram(name);
    return { ok: true };
  } catch (error) {
    const last = String((error as Error).message)
      .trim()
      .split('\n')
      .at(-1);
    return { ok: false, why: `${modules[name].module} cannot be built: ${(last ?? '').replace(/\b[a-z]+:\/\/\S+/g, '<proxy>')}` };
  }
}

/**
 * The program's path. `go install MODULE@VERSION` asks the proxy for a list of versions, which not every proxy serves: the module is fetched
 * by its exact version (checked by the checksum database), and its own go.sum vouches for the rest.
 */
export async function goProgram(name: GoProgram): Promise<string> {
  const { module, main } = modules[name];
  const folder = await cached(`go-${name}`, [module, main], async (into) => {
    const { Dir } = JSON.parse((await go(['mod', 'download', '-json', module], into)).stdout) as { Dir: string };
    const source = await mkdtemp(join(tmpdir(), 'kata-sysext-go-'));
    try {
      await cp(Dir, source, { recursive: true });
      await run(['chmod', '-R', 'u+w', source]);
      await go(['build', '-mod=readonly', '-trimpath', '-ldflags=-s -w', '-o', join(into, name), main], source);
    } finally {
      await rm(source, { recursive: true, force: true });
    }
  });
  return join(folder, name);
}

/** A program of the lab's own, from the folder with its sources and its go.sum; built once for the same sources. */
export async function ownGoProgram(name: string, folder: string): Promise<string> {
  const names = (await readdir(folder)).sort();
  const texts = await Promise.all(names.map(async (file) => `${file}\n${await readFile(join(folder, file), 'utf8')}`));
  const built = await cached(`go-${name}`, texts, async (into) => {
    await go(['build', '-mod=readonly', '-trimpath', '-ldflags=-s -w', '-o', join(into, name), '.'], folder);
  });
  return join(built, name);
}

function go(args: string[], cwd: string) {
  // Go's own installer puts it where no login shell's PATH has it
  const PATH = `${process.env['PATH'] ?? ''}${delimiter}/usr/local/go/bin`;
  return run(['nice', 'go', ...args], { cwd, timeoutMs: 1_500_000, env: { PATH, GOTOOLCHAIN: 'local', CGO_ENABLED: '0', GOFLAGS: '' } });
}
