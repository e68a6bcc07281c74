import { cp, mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, delimiter, join } from 'node:path';
import { cached } from './cache.ts';
import type { Availability } from './roots.ts';
import { run } from './run.ts';

/** Programs that no Debian suite has in this version, built from their Go modules: a newer one is a change of its line. */
const modules = {
  'ignition-validate': { module: 'github.com/coreos/ignition/v2@v2.26.0', main: './validate' },
  butane: { module: 'github.com/coreos/butane@v0.29.0', main: './internal' },
  helm: { module: 'helm.sh/helm/v3@v3.22.0', main: './cmd/helm' },
};

export type GoProgram = keyof typeof modules;

/** Releases of containerd that no Debian suite has: the newest of their series, and those before and behind a change of its rules. */
export const containerdReleases = ['2.0.14', '2.3.4', '2.3.7', '2.4.2'] as const;
export type ContainerdRelease = (typeof containerdReleases)[number];

/** Whether a program can be had here; a `why` is for a skip's name. */
export async function goProgramAvailable(name: GoProgram): Promise<Availability> {
  try {
    await goProgram(name);
    return { ok: true };
  } catch (error) {
    return unbuilt(modules[name].module, error);
  }
}

/** The same for a release of containerd. A cold build takes a minute and a half on one core; a shared cache of Go makes the next one shorter. */
export async function containerdAvailable(release: ContainerdRelease): Promise<Availability> {
  try {
    await builtContainerd(release);
    return { ok: true };
  } catch (error) {
    return unbuilt(`containerd ${release}`, error);
  }
}

/** In a run of a tier, begins to build at once: the hosts of other specs mostly wait meanwhile. The spec that needs it waits for what is left. */
export function beginContainerd(release: ContainerdRelease): void {
  if (process.env['KATA_SYSEXT_TIER'] !== undefined) void containerdAvailable(release);
}

/** Why it cannot be had, for a skip's name: the last line, without the proxy's. */
export function unbuilt(what: string, error: unknown): Availability {
  const last = String((error as Error).message)
    .trim()
    .split('\n')
    .at(-1);
  return { ok: false, why: `${what} cannot be built: ${(last ?? '').replace(/\b[a-z]+:\/\/\S+/g, '<proxy>')}` };
}

/** The program's path. */
export async function goProgram(name: GoProgram): Promise<string> {
  const { module, main } = modules[name];
  return join(await builtModule(`go-${name}`, module, { [name]: main }), name);
}

/** A folder with containerd and its shim for runc. */
export function builtContainerd(release: ContainerdRelease): Promise<string> {
  const programs = { containerd: './cmd/containerd', 'containerd-shim-runc-v2': './cmd/containerd-shim-runc-v2' };
  return builtModule(`go-containerd-${release}`, `github.com/containerd/containerd/v2@v${release}`, programs);
}

/**
 * Builds programs of a module, by the package of each. `go install MODULE@VERSION` asks the proxy for a list of versions, which not every
 * proxy serves: the module is fetched by its exact version (checked by the checksum database), and its own go.sum vouches for the rest.
 */
function builtModule(recipe: string, module: string, programs: Record<string, string>): Promise<string> {
  return cached(recipe, [module, ...Object.values(programs)], async (into) => {
    const source = await mkdtemp(join(tmpdir(), 'kata-sysext-go-'));
    try {
      await cp(await downloaded(module, into), source, { recursive: true });
      await run(['chmod', '-R', 'u+w', source]);
      for (const [name, main] of Object.entries(programs))
        await go(['build', '-mod=readonly', '-trimpath', '-ldflags=-s -w', '-o', join(into, name), main], source);
    } finally {
      await rm(source, { recursive: true, force: true });
    }
  });
}

/** A folder with files and folders of a module, which have their last names there: what it publishes beside its sources. */
export function moduleFiles(recipe: string, module: string, paths: readonly string[]): Promise<string> {
  return cached(recipe, [module, ...paths], async (into) => {
    const source = await downloaded(module, into);
    for (const path of paths) await cp(join(source, path), join(into, basename(path)), { recursive: true });
    await run(['chmod', '-R', 'u+w', into]);
  });
}

async function downloaded(module: string, cwd: string): Promise<string> {
  return (JSON.parse((await go(['mod', 'download', '-json', module], cwd)).stdout) as { Dir: string }).Dir;
}

export interface RequiredPrograms {
  /** The folder of a go.mod that requires their module, and of its go.sum. */
  sources: string;
  /** The package above those of the programs. */
  above: string;
  names: readonly string[];
  ldflags: string;
  niceness?: number;
}

/**
 * A folder with programs of a module whose own go.mod replaces modules by folders, which counts in a main module alone. So they are built from
 * a module of the lab that requires it, and replaces those by what was published.
 */
export async function builtRequired(recipe: string, { sources, above, names, ldflags, niceness }: RequiredPrograms): Promise<string> {
  const texts = await Promise.all(['go.mod', 'go.sum'].map((name) => readFile(join(sources, name), 'utf8')));
  const flags = `-ldflags=${ldflags}`;
  return cached(recipe, [...texts, flags, ...names], async (into) => {
    for (const name of names)
      await go(['build', '-mod=readonly', '-trimpath', flags, '-o', join(into, name), `${above}/${name}`], sources, undefined, niceness);
  });
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

/** Runs Go at a low priority: tests that wait for nothing else shall not wait for the compiler. */
function go(args: string[], cwd: string, timeoutMs = 3_600_000, niceness = 10) {
  // Go's own installer puts it where no login shell's PATH has it
  const PATH = `${process.env['PATH'] ?? ''}${delimiter}/usr/local/go/bin`;
  return run(['nice', '-n', `${niceness}`, 'go', ...args], {
    cwd,
    timeoutMs,
    env: { PATH, GOTOOLCHAIN: 'local', CGO_ENABLED: '0', GOFLAGS: '' },
  });
}
