import { dropInsOf, serviceValues, unitFile } from '../engines/common/unitFiles.ts';
import { wordsOf } from '../engines/common/unitWords.ts';
import { byBytes, type HostPath, type HostView, readTexts } from '../host/index.ts';

/** An image policy that refuses images without a signature, and the file that has it. */
export interface StrictPolicy {
  path: HostPath;
  policy: string;
}

interface Said {
  path: HostPath;
  /** undefined: what systemd takes by itself, which is all. */
  policy: string | undefined;
}

const program = 'systemd-sysext';
const folders = ['/etc/systemd', '/run/systemd', '/usr/local/lib/systemd', '/usr/lib/systemd'];

/**
 * The policy by which systemd would refuse an image, if there is one: that of the unit's commands, else that of the configuration, which can be
 * set from systemd 259 on (docs/facts/systemd.md#system-extensions-by-version).
 */
export async function strictPolicy(host: HostView): Promise<StrictPolicy | undefined> {
  const configured = await configuredPolicy(host);
  const commands = await policiesOfUnit(host);
  const counting = commands.length > 0 && commands.every(({ policy }) => policy !== undefined) ? commands : [...commands, configured];
  return counting.flatMap(({ path, policy }) => (policy === undefined || allowsPlain(policy) ? [] : { path, policy }))[0];
}

/** One main file and the drop-ins by their names, those of the first folder hiding others; the last value counts (systemd's configuration files). */
async function configuredPolicy(host: HostView): Promise<Said> {
  const main = await firstOf(
    host,
    folders.map((folder) => `${folder}/sysext.conf`),
  );
  const dropIns = new Map<string, HostPath>();
  for (const folder of folders)
    for (const name of (await host.readdir(`${folder}/sysext.conf.d`)).filter((each) => each.endsWith('.conf')))
      if (!dropIns.has(name)) dropIns.set(name, `${folder}/sysext.conf.d/${name}`);
  const paths = [...(main === undefined ? [] : [main]), ...[...dropIns].sort(([a], [b]) => byBytes(a, b)).map(([, path]) => path)];
  let said: Said = { path: paths[0] ?? folders[0]!, policy: undefined };
  for (const path of paths) {
    const value = lastPolicyIn((await host.readText(path)) ?? '');
    if (value !== undefined) said = { path, policy: value === '' ? undefined : value };
  }
  return said;
}

async function firstOf(host: HostView, paths: readonly HostPath[]): Promise<HostPath | undefined> {
  for (const path of paths) if ((await host.lstat(path)) !== undefined) return path;
  return undefined;
}

function lastPolicyIn(text: string): string | undefined {
  const [last] = [...text.matchAll(/^[ \t]*ImagePolicy[ \t]*=[ \t]*(?<value>.*)$/gm)].slice(-1);
  return last?.groups?.['value']?.trim();
}

/** Of each command that merges, with the file that has it. */
async function policiesOfUnit(host: HostView): Promise<Said[]> {
  const file = await unitFile(host, `${program}.service`);
  const paths = [...(file === undefined ? [] : [file]), ...(await dropInsOf(host, `${program}.service`))];
  const texts = await readTexts(host, paths);
  const commands = ['ExecStart', 'ExecReload'].flatMap((key) => serviceValues(texts, key).map((command) => ({ key, command })));
  return commands.map(({ key, command }) => ({
    // The last file that says it: a value of an earlier one may have been cleared.
    path: paths[texts.findLastIndex((text) => serviceValues([text], key).includes(command))] ?? paths[0]!,
    policy: policyOfCommand(wordsOf(command).map(({ value }) => value)),
  }));
}

function policyOfCommand(words: readonly string[]): string | undefined {
  const at = words.findLastIndex((word) => /^--image-policy(?:=|$)/.test(word));
  if (at < 0) return undefined;
  const [, value] = /^--image-policy=(.*)$/s.exec(words[at]!) ?? [];
  return value ?? words[at + 1];
}

/** systemd.image-policy(7): what an image without a partition table is, is its root. */
function allowsPlain(imagePolicy: string): boolean {
  if (imagePolicy === '*') return true;
  const rule =
    imagePolicy.split(':').find((each) => each.startsWith('root=')) ?? imagePolicy.split(':').find((each) => each.startsWith('='));
  return rule !== undefined && /[=+](unprotected|open)\b/.test(rule);
}
