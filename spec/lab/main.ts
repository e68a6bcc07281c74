/** `npm run lab -- start|sh|stop|list [--vm | --suite bookworm|trixie|forky] [COMMAND...]`: a lab host for people. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type Arch, makeSingle } from '../../scripts/single/make.ts';
import { inside } from './enter.ts';
import { bootHost } from './host.ts';
import { judgeAvailable, judgeBinds } from './judge.ts';
import { leaderOf } from './nspawn.ts';
import { alive, endHost, readOwner, removeEmptyDirs } from './owners.ts';
import { FIRST, sampleRelease } from './release/index.ts';
import { SUITES, type Suite, suiteAvailable } from './roots.ts';
import { hostsFolder } from './storage.ts';

const USAGE = 'npm run lab -- start|sh|stop|list [--vm | --suite bookworm|trixie|forky] [COMMAND...]';

async function main(args: string[]): Promise<number> {
  const [verb, ...rest] = args;
  if (rest[0] === '--vm') return await ofVm(verb, rest.slice(1));
  const { suite, command } = parse(rest);
  if (verb === 'start') return await begin(suite);
  if (verb === 'sh') return await enter(suite, command);
  if (verb === 'stop') return await end(suite);
  if (verb === 'list') return list();
  console.error(USAGE);
  return 2;
}

async function ofVm(verb: string | undefined, command: string[]): Promise<number> {
  const { startVm, enterVm, stopVm } = await import('./vm/people.ts');
  if (verb === 'sh') return await enterVm(command);
  if (verb === 'start') await startVm();
  else if (verb === 'stop') await stopVm();
  else throw new Error(USAGE);
  return 0;
}

function parse(args: string[]): { suite: Suite; command: string[] } {
  if (args[0] !== '--suite') return { suite: 'trixie', command: args };
  const suite = args[1] ?? '';
  if (!(suite in SUITES)) throw new Error(`${USAGE}: no suite ${suite}`);
  return { suite: suite as Suite, command: args.slice(2) };
}

async function begin(suite: Suite): Promise<number> {
  const available = await suiteAvailable(suite);
  if (!available.ok) throw new Error(available.why);
  const release = await sampleRelease(FIRST);
  const tools = (await judgeAvailable()).ok ? await judgeBinds() : {};
  const host = await bootHost({
    suite,
    name: nameOf(suite),
    background: true,
    binds: { ...tools, [release.folder]: '/mnt/release' },
  });
  await makeSingle(process.arch as Arch, join(host.root, 'mnt/program/kata-sysext'));
  console.log(
    `${host.name} runs; /mnt/program/kata-sysext is the program, /mnt/release has the sample release. Next: npm run lab -- sh --suite ${suite}`,
  );
  return 0;
}

async function enter(suite: Suite, command: string[]): Promise<number> {
  const owner = await readOwner(nameOf(suite));
  const leader = owner?.nspawn !== undefined && alive(owner.nspawn) ? leaderOf(owner.nspawn.pid) : undefined;
  if (leader === undefined) throw new Error(`no host of ${suite} runs: npm run lab -- start --suite ${suite}`);
  const [program, ...rest] = inside(leader, command.length > 0 ? command : ['/bin/bash', '-l'], {
    env: { TERM: process.env['TERM'] ?? 'dumb' },
  });
  return spawnSync(program ?? '', rest, { stdio: 'inherit' }).status ?? 1;
}

async function end(suite: Suite): Promise<number> {
  const owner = await readOwner(nameOf(suite));
  if (owner !== undefined) await endHost(join(hostsFolder(), nameOf(suite)), owner);
  if (existsSync(hostsFolder())) await removeEmptyDirs();
  return 0;
}

function list(): number {
  for (const name of existsSync(hostsFolder()) ? readdirSync(hostsFolder()) : []) console.log(name);
  return 0;
}

function nameOf(suite: Suite): string {
  return `lab-${suite}`;
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
