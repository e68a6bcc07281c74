import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fs from 'fs-extra';
import { KataError } from '../../errors/index.ts';
import { byBytes, type HostView, openHost, stoppable } from '../../host/index.ts';
import { verify } from '../../inspect/verify.ts';
import { planInstall } from '../../operations/install.ts';
import { planRollback } from '../../operations/switchToExisting.ts';
import { planUninstall } from '../../operations/uninstall.ts';
import type { ChangeOptions } from '../../planning/choices/types.ts';
import { runOperation } from '../../runner/run.ts';
import type { Answer, Context } from '../../runner/types.ts';
import { reply } from '../answer.ts';
import { makeHostTree, makeRelease, shownEngine } from '../try/tree.ts';
import type { Call, Reply } from '../types.ts';

const versions = ['4.0.0', '4.1.0'] as const;
/** The text and what npm prints before it fill one small terminal: 25 lines of 80 columns. */
const maxColumns = 80;
const maxSteps = 3;
const indent = '    ';

/** The whole round on a tree of its own: what a newcomer sees first. */
export async function run(call: Call): Promise<Reply> {
  const folder = await mkdtemp(join(tmpdir(), 'kata-sysext-try-'));
  const keep = call.options['keep'] === true;
  try {
    const steps = await round(call, folder);
    const last = keep ? `The tree stays: ${folder}/host` : 'The tree is removed now; --keep leaves it there.';
    return {
      kind: 'Trial',
      body: { steps: steps.map(({ title }) => title), same: true, folder: keep ? folder : undefined },
      text: [...steps.flatMap(({ title, text }) => [title, ...text.map((line) => shorten(`${indent}${line}`))]), last],
    };
  } finally {
    if (!keep) await fs.remove(folder);
  }
}

interface Shown {
  title: string;
  text: string[];
}

async function round({ context, io }: Call, folder: string): Promise<Shown[]> {
  const root = join(folder, 'host');
  const release = (version: string) => join(folder, `kata-static-${version}`);
  await makeHostTree(root);
  for (const version of versions) await makeRelease(release(version), version);
  const host = stoppable(openHost(root, io.env), context.signal);
  // Without a file of the program: a copy of it would say nothing to a newcomer.
  const { programFile: _none, ...rest } = context;
  const own: Context = { ...rest, host, emit: () => undefined };
  const engine = shownEngine();
  const options: ChangeOptions = { dryRun: false, waitSeconds: 0, allow: [], engines: [`${engine.name}@${engine.version}`] };
  const request = (version: string) => ({ ...options, sources: [release(version)], digests: [], handlers: [] });
  const before = await listing(host);
  const shown: Shown[] = [
    {
      title: `A throw-away host in Fedora CoreOS’s layout: ${before.length} paths, ${engine.title} ${engine.version} configured`,
      text: [],
    },
  ];
  const show = async (title: string, answer: Promise<Answer>) => shown.push({ title, text: shortOf(await answer) });
  await show(
    '$ kata-sysext install kata-static-4.0.0 --dry-run',
    runOperation(own, 'install', planInstall, { ...request('4.0.0'), dryRun: true }),
  );
  await show('$ kata-sysext install kata-static-4.0.0', runOperation(own, 'install', planInstall, request('4.0.0')));
  await show('$ kata-sysext install kata-static-4.1.0', runOperation(own, 'install', planInstall, request('4.1.0')));
  await show('$ kata-sysext install kata-static-4.1.0   # again', runOperation(own, 'install', planInstall, request('4.1.0')));
  await show('$ kata-sysext rollback', runOperation(own, 'rollback', planRollback, options));
  const checked = await verify(host);
  shown.push({ title: '$ kata-sysext verify', text: [`${checked.filesChecked} files, ${checked.drift.length} differ`] });
  await show('$ kata-sysext uninstall --purge', runOperation(own, 'uninstall', planUninstall, { ...options, purge: true }));
  shown.push({ title: 'The tree before and after', text: [compare(before, await listing(host))] });
  return shown;
}

function compare(before: string[], after: string[]): string {
  const lost = before.filter((line) => !after.includes(line));
  const extra = after.filter((line) => !before.includes(line));
  if (lost.length + extra.length === 0) return `✓ the same, byte for byte: ${after.length} paths with modes, owners and digests`;
  throw new KataError('internal', {
    found: `the tree differs after uninstall: ${[...lost, ...extra].slice(0, 5).join('; ')}`,
    needed: 'the same tree',
    next: 'please report this',
  });
}

/** What a verb prints, without the lines of a diff, and of a plan the first steps, folders left out. */
function shortOf(answer: Answer): string[] {
  const { text } = reply(answer);
  if (answer.kind !== 'Plan') return text;
  const shown = answer.plan.steps.filter(({ kind }) => kind !== 'folder');
  const steps = shown.map(({ text: step, diff }, index) => `  ${index + 1}. ${step}${diff === undefined ? '' : ` (${sizeOf(diff)})`}`);
  if (steps.length > maxSteps) steps.splice(maxSteps - 1, steps.length, `  … and ${steps.length - maxSteps + 1} more steps`);
  return [text[0] ?? '', ...steps];
}

function sizeOf(diff: string[]): string {
  const [added, removed] = ['+', '-'].map((sign) => diff.filter((line) => line.startsWith(sign)).length);
  return `+${added} -${removed} lines`;
}

/** A line cut at the last space or separator that fits into the columns. */
function shorten(line: string): string {
  if (line.length <= maxColumns) return line;
  const head = line.slice(0, maxColumns - 1);
  return `${head.slice(0, Math.max(head.lastIndexOf(' '), indent.length)).replace(/ ·$/, '')} …`;
}

/** One line a path of the whole tree: kind, mode, owner, size and digest or target. Two equal listings are two equal trees. */
async function listing(host: HostView, below = ''): Promise<string[]> {
  const lines: string[] = [];
  for (const name of await host.readdir(below === '' ? '/' : below)) {
    const path = `${below}/${name}`;
    const stat = await host.lstat(path);
    if (stat === undefined) continue;
    const content = stat.kind === 'file' ? await host.digest(path) : stat.kind === 'symlink' ? await host.readlink(path) : '';
    lines.push(`${path} ${stat.kind} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${content}`);
    if (stat.kind === 'directory') lines.push(...(await listing(host, path)));
  }
  return lines.sort(byBytes);
}
