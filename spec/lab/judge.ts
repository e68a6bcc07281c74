import { readdirSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { cached } from './cache.ts';
import type { Availability } from './roots.ts';
import { type Ran, run } from './run.ts';

const SOURCES = join(import.meta.dirname, 'judge');

let attempt: Promise<string> | undefined;

/** Where the judge lies inside a host that was booted with `binds: await judgeBinds()`. */
export const JUDGE = '/mnt/tools/crijudge';

/**
 * The independent judge of the CRI: crictl's verbs on Kubernetes' own k8s.io/cri-api, so that neither our client nor our trimmed
 * .proto judges itself. (crictl itself is in no Debian suite, and not every Go module proxy serves its module.)
 */
export async function judgeAvailable(): Promise<Availability> {
  try {
    await judgeFolder();
    return { ok: true };
  } catch (error) {
    const lines = String((error as Error).message).split('\n');
    return { ok: false, why: `the CRI judge cannot be built: ${(lines.at(-1) ?? '').replace(/\b[a-z]+:\/\/\S+/g, '<proxy>')}` };
  }
}

export async function judgeBinds(): Promise<Record<string, string>> {
  return { [await judgeFolder()]: '/mnt/tools' };
}

export function judgeFolder(): Promise<string> {
  attempt ??= build();
  return attempt;
}

async function build(): Promise<string> {
  const sources = readdirSync(SOURCES)
    .filter((name) => /\.(go|mod|sum)$/.test(name))
    .sort();
  const inputs = sources.map((name) => readFileSync(join(SOURCES, name), 'utf8'));
  return await cached('judge', inputs, async (folder) => {
    await go(['build', '-mod=readonly', '-trimpath', '-ldflags=-s -w', '-o', join(folder, 'crijudge'), '.']);
  });
}

async function go(args: string[]): Promise<Ran> {
  // Go's own installer puts it where no login shell's PATH has it
  const PATH = `${process.env['PATH'] ?? ''}${delimiter}/usr/local/go/bin`;
  return await run(['go', ...args], {
    cwd: SOURCES,
    timeoutMs: 600_000,
    env: { PATH, GOTOOLCHAIN: 'local', CGO_ENABLED: '0', GOFLAGS: '' },
  });
}
