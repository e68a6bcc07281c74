import { spawnSync } from 'node:child_process';
import { chmodSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { main } from '../../../cli/commands/run.ts';
import { makeHostTree, makeRelease } from '../../../cli/commands/try/tree.ts';
import type { Io } from '../../../cli/commands/types.ts';
import { tinyRelease } from '../../lab/release/index.ts';
import { releaseTomls, type Tomls } from '../../lab/release/toml.ts';
import { elfKernel } from '../components.ts';
import { repo } from '../program.ts';
import { put } from '../trees/hostTrees.ts';
import { kataDeployShapes, kataDeployTree } from '../trees/kataDeploy.ts';
import { layeredTree } from '../trees/layeredTree.ts';
import { scratch, type TreeHost, treeHost } from '../trees/treeHost.ts';

/** One run of the program: its words, all lines of both outputs, and its exit status. */
export interface CorpusRun {
  words: string[];
  status: number;
  lines: string[];
}

export interface Corpus {
  runs: CorpusRun[];
  /** Paths that were seen in the trees between the runs, without the tree's own path. */
  paths: string[];
}

/** The same, played in a process of its own. */
export function playedCorpus(): Corpus {
  const round = [...sources, join(import.meta.dirname, 'shownRound.ts')];
  const played = spawnSync(process.execPath, round, { cwd: repo, encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (played.status !== 0) throw new Error(`the round failed:\n${played.stderr}`);
  return JSON.parse(played.stdout) as Corpus;
}

/** Runs the program in this process with `cwd` as its folder. */
async function runHere(words: string[], cwd: string, given = ''): Promise<CorpusRun> {
  let text = '';
  const stream = { write: (part: string) => (text += part) };
  const silent = () => () => undefined;
  const input = { given: () => given !== '', read: async () => Buffer.from(given) };
  const io = { stdout: stream, stderr: stream, env: {}, input, cwd, onSignal: silent, onFault: silent } as unknown as Io;
  const status = await main(words, io);
  return { words, status, lines: text.split('\n').slice(0, -1) };
}

/** A change of a host between two runs, or the words of a run, the exit status that they end with, and its standard input. */
type Act = ((root: string) => void) | [words: string, status?: number, input?: string];

/** Node's own words that let it run TypeScript. */
const sources = ['--import', 'tsx'];

type StoryHost = Pick<TreeHost, 'root' | 'flags' | 'remove'>;

interface Story {
  host: () => StoryHost | Promise<StoryHost>;
  acts: Act[];
}

const name = (version: string, archive = 'static') => `kata-${archive}-${version}-amd64.tar.zst`;
const [old, next, go, newer] = [name('4.0.0'), name('4.1.0'), name('4.1.0', 'go-static'), name('5.2.0')];
const [bare, oldGo] = [name('4.2.0'), name('4.0.0', 'go-static')];
const dropIn = 'etc/kata-containers/kata-qemu-runtime-rs.d';
const debian = 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian GNU/Linux 13 (trixie)"\n';
const fragment = (root: string) => put(root, `${dropIn}/50-own.toml`, '[hypervisor.qemu]\ndefault_memory = 512\n');

const event =
  'Warning  FailedCreatePodSandBox  22s  kubelet  Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox runtime: no runtime for "kata-clh" is configured\n';

/** Rounds on trees that together print what the pages show of a host that does not run. */
const stories: Story[] = [
  {
    host: () => treeHost('flatcar', (root) => put(root, 'usr/lib/os-release', debian), { engine: 'containerd@1.7' }),
    acts: [
      ['status'],
      ['check'],
      [`check ${next} ${go}`],
      ['check --handler qemu-snp'],
      ['install missing.tar.zst', 4],
      ['install https://files.example.org/kata-static-4.1.0-amd64.tar.zst', 2],
      [`install ${next} --handler qemu`, 4],
      [`install ${old} --dry-run`],
      [`install ${old}`],
      [`install ${old}`],
      [`install ${next} --stage`],
      ['status'],
      ['activate --dry-run'],
      ['activate'],
      ['status -v'],
      ['diff'],
      ['history'],
      ['history 1'],
      ['configure --set default_memory=4096'],
      ['configure'],
      ['configure --set default_memory=1024 --profile debug --dry-run'],
      ['configure --set default_memory=1024 --profile debug'],
      ['configure --set default_memory=1024 --profile debug'],
      ['configure --set default_memroy=1', 2],
      fragment,
      ['configure --set default_memory=2048'],
      [`install ${bare}`, 4],
      ['configure --unset default_memory --profile none'],
      ['verify'],
      ['pin 1'],
      ['unpin 1'],
      ['rollback --dry-run'],
      ['rollback'],
      ['gc --dry-run --keep 0'],
      ['gc --keep 0'],
      drift,
      ['verify', 1],
      [`install ${next}`],
      [`install ${next} ${go} --handler qemu --handler qemu-runtime-rs`],
      ['recover'],
      ['report -o report.md'],
      ['explain bundle-missing'],
      ['explain -', 0, event],
      ['explain -', 1, 'Normal  Started  kubelet  Started container web\n'],
      ['uninstall --dry-run'],
      (root) => put(root, 'var/lib/kata-sysext/notes.txt', 'mine\n'),
      (root) => put(root, `${dropIn}/10-mine.toml`, '[runtime]\n'),
      ['uninstall'],
      ['uninstall --purge'],
    ],
  },
  {
    host: () => treeHost('fcos'),
    acts: [
      ['check'],
      [`install ${old} ${oldGo} --handler qemu --handler qemu-runtime-rs`],
      [`install ${next}`, 4],
      [`install ${old} ${oldGo} --alias kata=qemu`],
      ['status'],
      ['uninstall --handler qemu', 3],
      ['uninstall --handler qemu --handler kata'],
      [`install ${next} --backend baked`, 3],
      [`install ${newer}`, 3],
      (root) => killed(root, ['uninstall', '--engine', 'containerd@1.7']),
      ['status'],
      ['recover --dry-run'],
      ['recover'],
      (root) => killed(root, ['uninstall', '--engine', 'containerd@1.7']),
      ['uninstall'],
      failedChange,
      ['history'],
      ['history 9'],
      [`install ${next} --backend baked`],
    ],
  },
  {
    host: () => treeHost('fcos'),
    acts: [
      [`install ${next}`],
      [`install ${next} --component kernel=${next} --alias newkernel`, 4],
      [`install ${next} --component kernel=vmlinux-6.18 --alias newkernel --dry-run`],
      [`install ${next} --component kernel=vmlinux-6.18 --alias newkernel`],
      ['status'],
      ['status -v'],
      ownDrift,
      ['verify', 1],
      [`install ${next}`, 4],
    ],
  },
  // containerd 2.x: a folder for drop-ins, and none.
  { host: () => treeHost('microos'), acts: [[`install ${next}`], ['status'], ['uninstall --purge']] },
  { host: () => treeHost('flatcar'), acts: [[`install ${next}`], ['status'], ['uninstall --purge']] },
  { host: () => treeHost('microos', eksNode, { engine: 'nodeadm@2.1' }), acts: [['check'], [`install ${next}`], ['uninstall --purge']] },
  {
    host: demoHost,
    acts: [['check'], ['install kata-static-4.0.0'], ['status -v'], ['verify']],
  },
  {
    host: () =>
      layeredTree((root) => {
        put(root, 'usr/lib/systemd/libsystemd-shared-257.so', '');
        put(root, 'usr/lib/systemd/system/systemd-sysext.service', '');
      }),
    acts: [[`adopt layered ${next} --backend sysext --dry-run`], [`adopt layered ${next} --backend sysext`], ['uninstall']],
  },
  {
    host: () => kataDeployTree(kataDeployShapes[0]!),
    acts: [[`adopt kata-deploy ${next} --dry-run`], ['adopt kata-deploy --remove --dry-run'], [`adopt kata-deploy ${next}`], ['uninstall']],
  },
];

/** What an AMI of EKS has of nodeadm. */
function eksNode(root: string): void {
  const start = '/usr/bin/nodeadm init --skip config --config-source imds://user-data --config-source file:///etc/eks/nodeadm.d/';
  put(root, 'etc/systemd/system/nodeadm-run.service', `[Service]\nType=oneshot\nExecStart=${start}\n`);
  put(root, 'etc/systemd/system/multi-user.target.wants/nodeadm-run.service', '');
}

/** The payload gets a file too much and loses a mode. */
function drift(root: string): void {
  const current = readlinkSync(join(root, 'etc/kata-sysext/current'));
  const payload = join(root, readlinkSync(join(root, current, 'payload')));
  chmodSync(join(payload, 'VERSION'), 0o600);
  put(payload, 'extra', 'x');
}

/** A kernel of the user loses its bytes. */
function ownDrift(root: string): void {
  const current = readlinkSync(join(root, 'etc/kata-sysext/current')).replace('/usr/local', '/var/usrlocal');
  const payload = readlinkSync(join(root, current, 'payload')).replace('/usr/local', '/var/usrlocal');
  writeFileSync(join(root, payload, 'share/kata-sysext/newkernel.kernel'), 'damaged');
}

/** What the history keeps of a restart that failed on a running host. */
function failedChange(root: string): void {
  const error = {
    code: 'gate-failed',
    found: 'the restart of containerd.service ended as failed; the start of node-agent.service ended as dependency',
    next: 'journalctl -u containerd.service -n 50',
  };
  const story = 'var/lib/kata-sysext/history';
  const made = JSON.parse(readFileSync(join(root, `${story}/000001.json`), 'utf8')) as object;
  const evidence = ['2026-11-24T00:04:27+00:00 node1 containerd[1472]: a line of its log'];
  const cause = 'install kata-static-4.1.0-amd64.tar.zst';
  const entry = { ...made, id: 9, to: 1, cause, result: 'undone', restarted: ['containerd.service'], error, evidence };
  put(root, `${story}/000009.json`, JSON.stringify(entry), 0o600);
}

/** The tree of `try`, without an engine's version. */
async function demoHost(): Promise<StoryHost> {
  const root = scratch('demo');
  await makeHostTree(root);
  return { root, flags: ['--root', root], remove: () => rmSync(root, { recursive: true }) };
}

/** A change that dies in its first step. */
function killed(root: string, words: string[]): void {
  const env = { ...process.env, KATA_SYSEXT_FAILPOINT: 'step/file/after=kill' };
  spawnSync(process.execPath, [...sources, join(repo, 'cli/main.ts'), ...words, '--root', root], { cwd: repo, env, stdio: 'ignore' });
}

const reading = ['status', 'history', 'diff', 'verify', 'explain', 'report'];

/** Plays all stories; a run that ends with another status than it should throws. */
export async function makeCorpus(): Promise<Corpus> {
  const folder = scratch('shown');
  await makeReleases(folder);
  const runs: CorpusRun[] = [];
  const paths = new Set<string>();
  for (const story of stories) await play(story, folder, { runs, paths });
  const tried = await runHere(['try', '--keep'], folder);
  runs.push(tried);
  const kept = /^The tree stays: (?<path>.*)\/host$/.exec(tried.lines.at(-1)!)!.groups!['path']!;
  rmSync(kept, { recursive: true });
  return { runs, paths: [...paths] };
}

async function play({ host, acts }: Story, folder: string, { runs, paths }: { runs: CorpusRun[]; paths: Set<string> }): Promise<void> {
  const { root, flags, remove } = await host();
  for (const act of acts) {
    if (typeof act === 'function') act(root);
    else {
      const [text, wanted = 0, given] = act;
      const words = text.split(' ');
      const ran = await runHere(
        [...words, ...(text.startsWith('explain') ? [] : reading.includes(words[0]!) ? ['--root', root] : flags)],
        folder,
        given,
      );
      if (ran.status !== wanted) throw new Error(`${text} ended with ${ran.status}, not ${wanted}:\n${ran.lines.join('\n')}`);
      runs.push(ran);
    }
    for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' })) paths.add(`/${path}`);
  }
  remove();
}

/** Tiny releases under the names that the pages use; on a machine without zstd they are uncompressed. */
async function makeReleases(folder: string): Promise<void> {
  const shim = 'runtime-rs/bin/containerd-shim-kata-v2';
  const versions = { [old]: '4.0.0', [next]: '4.1.0', [bare]: '4.2.0', [newer]: '5.2.0' };
  for (const [file, version] of Object.entries(versions))
    await tinyRelease(folder, {
      version,
      name: file,
      files: file === newer ? { [shim]: '#! containerd.task.v3.Task' } : {},
      ...(file === bare ? { tomls: withoutMemory() } : {}),
    });
  writeFileSync(join(folder, 'vmlinux-6.18'), elfKernel());
  await makeRelease(join(folder, 'kata-static-4.0.0'), '4.0.0');
  await tinyRelease(folder, { version: '4.1.0', name: go, archive: 'go' });
  await tinyRelease(folder, { version: '4.0.0', name: oldGo, archive: 'go' });
}

/** Configurations of a release that has no key `default_memory`, not in a comment either. */
function withoutMemory(): Tomls {
  const without = (files: Record<string, Buffer>) =>
    Object.fromEntries(
      Object.entries(files).map(([file, bytes]) => [file, Buffer.from(bytes.toString().replace(/^.*default_memory.*$/gm, ''))]),
    );
  const { go, rust } = releaseTomls();
  return { go: without(go), rust: without(rust) };
}
