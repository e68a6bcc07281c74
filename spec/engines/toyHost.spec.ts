import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { rewireAtBoot } from '../../cli/bootGuard/rewire.ts';
import { main } from '../../cli/commands/run.ts';
import { makeHostTree, makeRelease } from '../../cli/commands/try/tree.ts';
import type { Io } from '../../cli/commands/types.ts';
import { withEngines } from '../../cli/engines/index.ts';
import { openHost } from '../../cli/host/index.ts';
import { aliasRequests } from '../../cli/planning/choices/aliases.ts';
import { scratch } from '../support/trees/treeHost.ts';
import { toy } from './toy/index.ts';

/** The program itself, in this process, with one engine more. */
async function run(argv: string[], cwd: string): Promise<{ status: number; stdout: string; stderr: string }> {
  const said = { stdout: '', stderr: '' };
  const into = (name: 'stdout' | 'stderr') => ({
    write: (text: string) => {
      said[name] += text;
      return true;
    },
  });
  const io = {
    stdout: into('stdout'),
    stderr: into('stderr'),
    env: {},
    cwd,
    onSignal: () => () => undefined,
    onFault: () => () => undefined,
  };
  const status = await withEngines([toy], () => main(argv, io as unknown as Io));
  return { status, ...said };
}

describe('an engine that is a folder and a row more', function () {
  this.timeout(300_000);

  it('is wired, reported, changed and left as it was, without daemon, CRI or dump', async () => {
    const folder = scratch('toy');
    const root = join(folder, 'root');
    const theirs = '; mine\n[defaults]\ncolour = blue and green';
    await makeHostTree(root);
    await makeRelease(join(folder, 'release'), '4.1.0');
    mkdirSync(join(root, 'etc/toy'));
    const config = join(root, 'etc/toy/toy.conf');
    writeFileSync(config, theirs);

    const unnamed = await run(['check', '--root', root, '--json'], folder);
    const installed = await run(['install', 'release', '--root', root, '--engine', 'toy@1.0', '--json'], folder);
    const wired = readFileSync(config, 'utf8');
    const status = await run(['status', '--root', root], folder);
    const verified = await run(['verify', '--root', root], folder);
    const reserved = () => aliasRequests(['plain=qemu-runtime-rs']);
    const gone = await run(['uninstall', '--root', root, '--purge', '--json'], folder);

    assert.match(unnamed.stdout, /containerd and toy are both here/);
    assert.equal(installed.status, 0, installed.stderr + installed.stdout);
    assert.match(
      wired,
      /^; mine\n\[defaults\]\ncolour = blue and green\n\[runtime kata-qemu-runtime-rs\]\nshim = \/etc\/kata-sysext\/current\//,
    );
    assert.match(status.stdout, /wired into toy: \/etc\/toy\/toy\.conf \(range\)/);
    assert.equal(verified.status, 0, verified.stderr + verified.stdout);
    assert.throws(() => withEngines([toy], reserved), /belongs to the engine/);
    assert.doesNotThrow(reserved);
    assert.equal(gone.status, 0, gone.stderr + gone.stdout);
    assert.equal(readFileSync(config, 'utf8'), theirs);
  });

  it('is wired again at a boot that finds its wiring gone, though no program says what its files mean', async function () {
    if (process.getuid?.() !== 0) {
      console.log('      left out: only root may change a host at its boot');
      this.skip();
    }
    const folder = scratch('toy-boot');
    const root = join(folder, 'root');
    await makeHostTree(root);
    await makeRelease(join(folder, 'release'), '4.1.0');
    mkdirSync(join(root, 'etc/toy'));
    const config = join(root, 'etc/toy/toy.conf');
    mkdirSync(join(root, 'run'), { recursive: true });
    writeFileSync(config, '; mine\n');
    await run(['install', 'release', '--root', root, '--engine', 'toy@1.0', '--json'], folder);
    const wired = readFileSync(config, 'utf8');
    writeFileSync(config, '; mine\n');
    const context = {
      host: { ...openHost(root, {}), booted: true },
      program: '0',
      emit: () => undefined,
      signal: new AbortController().signal,
      asked: { cause: 'boot guard' as const },
    };

    const { notes, to } = await withEngines([toy], () => rewireAtBoot(context));

    assert.equal(to, 1, notes.join('\n'));
    assert.match(notes.join('\n'), /the wiring was written again/);
    assert.equal(readFileSync(config, 'utf8'), wired);
  });
});
