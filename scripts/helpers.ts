import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** As Node names them (`process.arch`). */
export type Arch = 'x64' | 'arm64';

/** The compiler for each architecture, by the name that Debian and Fedora have on every machine, and the package that brings it on Debian. */
const compilers: Record<Arch, { program: string; package: string }> = {
  x64: { program: 'x86_64-linux-gnu-gcc', package: 'gcc-x86-64-linux-gnu' },
  arm64: { program: 'aarch64-linux-gnu-gcc', package: 'gcc-aarch64-linux-gnu' },
};

/** Nothing in the result is from this machine: no identifier of a build, no symbol, no path, no C library. */
const flags = [
  ...['-Os', '-std=c11', '-Wall', '-Wextra', '-Werror', '-ffreestanding', '-fno-ident', '-fno-stack-protector'],
  ...['-fno-asynchronous-unwind-tables', '-fno-tree-loop-distribute-patterns', '-fno-pie'],
  ...['-nostdlib', '-static', '-no-pie', '-s', '-Wl,--build-id=none', '-Wl,-z,noexecstack', '-Wl,-z,noseparate-code'],
];

/** The program of helpers/kvm/probe.c for an architecture. Throws where the compiler is missing. */
export function kvmProbe(arch: Arch): Buffer {
  return compiled('helpers/kvm/probe.c', arch);
}

/** The same of helpers/node/report.c, for the image of a node pod. */
export function nodeReport(arch: Arch): Buffer {
  return compiled('helpers/node/report.c', arch);
}

/** A program of one C file: the same bytes by the same compiler. */
function compiled(source: string, arch: Arch): Buffer {
  const found = compilerFor(arch);
  if (found === undefined) {
    const { package: name } = compilers[arch];
    throw new Error(`no C compiler for ${arch} on this machine: apt-get install ${arch === process.arch ? 'gcc' : name}`);
  }
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-helper-'));
  try {
    const out = join(folder, 'program');
    const made = spawnSync(found, [...flags, '-o', out, source], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
    if (made.status !== 0) throw new Error(`${found} ended with ${made.status}: ${made.stderr}`);
    return readFileSync(out);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Which of these architectures have a compiler on this machine. */
export function compilable(): Arch[] {
  return (Object.keys(compilers) as Arch[]).filter((arch) => compilerFor(arch) !== undefined);
}

function compilerFor(arch: Arch): string | undefined {
  const names = [compilers[arch].program, ...(arch === process.arch ? ['gcc', 'cc'] : [])];
  return names.find((name) => spawnSync(name, ['--version'], { stdio: 'ignore' }).status === 0);
}
