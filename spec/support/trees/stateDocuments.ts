import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeHostTree, makeRelease } from '../../../cli/commands/try/tree.ts';
import { openHost } from '../../../cli/host/index.ts';
import { planInstall } from '../../../cli/operations/install.ts';
import { runOperation } from '../../../cli/runner/run.ts';

const stateFolder = 'var/lib/kata-sysext';

/** Documents by their path in the state folder; digests in a path are HEX. */
export type Documents = Map<string, string>;

/**
 * The documents of the state folder as today's program writes them: an installation in the moment when its change is committed and recorded,
 * and its journal still there. spec/fixtures/state-v1 was made so.
 */
export async function writtenDocuments(): Promise<Documents> {
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-state-'));
  const [root, release, program] = [join(folder, 'host'), join(folder, 'kata-static-4.0.0'), join(folder, 'program')];
  const kept = join(folder, 'kept');
  try {
    await makeHostTree(root);
    await makeRelease(release, '4.0.0');
    writeFileSync(program, 'a stand-in for the program\n');
    const own = openHost(root, {});
    const failpoint = async (name: string) => {
      if (name === 'afterwards/history') cpSync(join(root, stateFolder), kept, { recursive: true, verbatimSymlinks: true });
    };
    const now = () => new Date('2026-11-29T12:00:00Z');
    const context = { program: '0.1.0', programFile: program, emit: () => undefined, signal: new AbortController().signal };
    const options = { dryRun: false, waitSeconds: 0, allow: [], engines: ['containerd@1.7'] };
    await runOperation(
      {
        ...context,
        host: { ...own, failpoint, now },
        asked: { cause: 'install kata-static-4.0.0', user: { uid: 1000, name: 'anna' } },
      },
      'install',
      planInstall,
      {
        ...options,
        sources: [release],
        keepPaths: true,
        digests: [],
        handlers: [],
        aliases: [{ name: 'kata', handler: 'kata-qemu-runtime-rs' }],
        settings: { set: [{ key: 'runtime.enable_debug', text: 'true' }], unset: [], profiles: undefined },
      },
    );
    await own.close();
    return documentsIn(kept, (text) => text.replaceAll(folder, '/root'));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The documents of a copy of the state folder. */
export function documentsIn(folder: string, edit: (text: string) => string = (text) => text): Documents {
  const names = (readdirSync(folder, { recursive: true }) as string[]).filter((name) => name.endsWith('.json')).sort();
  return new Map(names.map((name) => [name.replace(/[0-9a-f]{64}/, 'HEX'), edit(readFileSync(join(folder, name), 'utf8'))]));
}
