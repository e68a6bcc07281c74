import { engineNamed } from '../../engines/index.ts';
import { commandWord } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/index.ts';
import { activeGeneration, journalFolder, pointer, wiringsOf } from '../../store/index.ts';
import { blessedFile, bootMark, firstUnit } from './paths.ts';

/**
 * Which system this is, in words of sh(1) alone: the operating system's version, the kernel, the subvolume or folder of the root (a snapshot),
 * and the deployment of ostree, which its argument of the kernel does not tell: two of the same kernel share that, and a link is swapped.
 * That of composefs is a digest of all of the image.
 */
const system = [
  'sha256sum /etc/os-release /usr/lib/os-release',
  'read -r kernel </proc/sys/kernel/osrelease; echo "$kernel"',
  'while read -r id parent device root point rest; do [ "$point" != / ] || echo "$root"; done </proc/self/mountinfo',
  'read -r line </proc/cmdline; IFS=" ="; last=',
  'for word in $line; do [ "$last" != ostree ] || { readlink "$word"; stat -c %i /etc; }',
  'case $last in composefs | composefs.digest) echo "$word"; stat -c %i /etc ;; esac; last=$word; done',
  ':',
].join('; ');

/** Which files of the engine these are; one that is not there says nothing. */
function engine(files: HostPath[]): string {
  return files.length === 0 ? ':' : `stat -Lc %i.%s.%Y ${files.map(commandWord).join(' ')}; :`;
}

/**
 * The drop-in of the first two phases, which says that this generation was blessed on this very system with these files of the engine. A
 * shell looks whether it is so: 1 skips the guard without starting this program, and whatever the shell cannot see runs the guard. systemd
 * before 243 knows no ExecCondition=, so that the guard runs. The first phase comes before extensions are merged, which may bring the
 * engine: it leaves that to the second.
 */
export async function blessingText(host: HostView, generation: number): Promise<string> {
  const files = host.live ? await engineFiles(host) : watchedIn((await host.readText(blessedFile)) ?? '');
  const [systemNow, engineNow] = [await said(host, system), await said(host, engine(files))];
  const script = [
    'exec 2>/dev/null',
    `[ ! -e ${bootMark} ] && [ -L ${pointer} ] && [ -r ${journalFolder} ] && [ -x ${journalFolder} ] || exit 0`,
    `set -- ${journalFolder}/*; [ "$*" = "${journalFolder}/*" ] || exit 0`,
    `set -f; set -- $(${system}); [ "$*" = ${commandWord(systemNow)} ] || exit 0`,
    `[ "$0" != ${firstUnit} ] || exit 1`,
    `set -- $(${engine(files)}); [ "$*" = ${commandWord(engineNow)} ] || exit 0`,
    'exit 1',
  ];
  const lines = [
    head(generation, systemNow),
    ...files.map((file) => `${watched}${file}`),
    '[Unit]',
    // Of conditions with `|` one has to hold: here it is the shell that decides.
    'ConditionPathExists=|/',
    // It is asked whenever something pulls the unit in, which early in a boot may be often (systemd#29367), and each time counts as a start.
    'StartLimitIntervalSec=0',
    '[Service]',
    `ExecCondition=/bin/sh -c ${unitQuoted(script.join('; '))} %n`,
  ];
  return `${lines.join('\n')}\n`;
}

/** Whether the generation was blessed on this very system; with `whole` also, whether the engine is the same. */
export async function isBlessed(host: HostView, generation: number, whole: boolean): Promise<boolean> {
  const text = await host.readText(blessedFile);
  if (text === undefined) return false;
  return whole ? text === (await blessingText(host, generation)) : text.startsWith(`${head(generation, await said(host, system))}\n`);
}

function head(generation: number, systemNow: string): string {
  return `# kata-sysext: generation ${generation} is blessed on this operating system: ${systemNow}`;
}

const watched = '# with the engine of ';

function watchedIn(text: string): HostPath[] {
  return text.split('\n').flatMap((line) => (line.startsWith(watched) ? [line.slice(watched.length)] : []));
}

/** What the engines that are wired are made of and set up by, whichever others run beside them; the same names whether they run or not. */
async function engineFiles(host: HostView): Promise<HostPath[]> {
  const files = new Set<HostPath>();
  for (const wiring of wiringsOf((await activeGeneration(host))?.record.wiring)) {
    const instance = await engineNamed(wiring.engine)?.findRecorded(host, wiring);
    const binary = instance?.binary === undefined ? undefined : await host.realpath(instance.binary);
    // What is written again at each start says nothing: the program that writes it does.
    const own = [binary, instance?.renderer?.program ?? instance?.configPath, instance?.configFolder, ...(instance?.sources ?? [])];
    for (const file of own) if (file !== undefined && !file.includes('\n')) files.add(file);
  }
  return [...files];
}

/** Its words, as `$*` joins them. */
async function said(host: HostView, script: string): Promise<string> {
  if (!host.booted) return 'offline';
  const { stdout } = await host.run('/bin/sh', ['-c', `set -f; ${script}`]);
  return stdout.split(/\s+/).filter(Boolean).join(' ');
}

/** As systemd.syntax(7) and systemd.service(5) read a word in quotes. */
function unitQuoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'").replaceAll('%', '%%').replaceAll('$', '$$$$')}'`;
}
