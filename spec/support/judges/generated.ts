import { execFileSync, spawnSync } from 'node:child_process';

/** `--recursive-errors=no`: the exit status is about this unit alone, and tells of keys that are not known as well (systemd 250). */
export const verifyUnit = ['systemd-analyze', 'verify', '--man=no', '--recursive-errors=no'] as const;

/**
 * What `systemd-analyze verify` says of a unit: all of it where it does not end with 0, else what names ours, because units of this machine
 * may have faults of their own. Throws where it cannot be run.
 */
export function complaints(unit: string, [program, ...args]: readonly [string, ...string[]] = verifyUnit): string[] {
  const { status, error, stdout, stderr } = spawnSync(program, [...args, unit], { encoding: 'utf8' });
  if (error !== undefined) throw error;
  const lines = `${stdout}${stderr}`.split('\n').filter((line) => line !== '');
  return status === 0 ? lines.filter((line) => line.includes('kata-sysext')) : [`exit status ${status}`, ...lines];
}

/** The SELinux types that Ignition's own relabelling has left. */
export function labels(paths: string[]): string[] {
  const said = execFileSync('getfattr', ['--absolute-names', '--only-values', '-n', 'security.selinux', ...paths], { encoding: 'utf8' });
  return [...said.matchAll(/object_r:(\w+):s0/g)].map((match) => match[1]!);
}

interface Config {
  ignition: { version: string };
  kernelArguments?: { shouldExist: string[] };
  storage: { files: { path: string; mode: number; contents: { source: string; compression?: string } }[] };
  systemd?: unknown;
}

/** A whole configuration with every data URL, compressed or not, as the text that it stands for. */
export function plain(config: unknown) {
  const { storage, ...rest } = JSON.parse(JSON.stringify(config)) as Config;
  const { files: written, ...others } = storage;
  const files = written.map(({ contents, ...file }) => ({ ...file, text: textOf(contents) }));
  return { ...rest, storage: others, files };
}

/** The same without the name that a MachineConfig has of itself in what it brings: what Ignition alone brings has none. */
export function plainUnnamed(config: unknown) {
  const whole = plain(config);
  const unnamed = (text: string) => text.replaceAll(/(generate for [\w.-]+): the MachineConfig \S+ of the pool [\w-]+\./g, '$1.');
  const files = whole.files.map((file) => ({ ...file, text: unnamed(file.text) }));
  return { ...whole, files, systemd: JSON.parse(unnamed(JSON.stringify(whole.systemd))) as unknown };
}

function textOf({ source, compression }: { source: string; compression?: string }): string {
  const [, base64, data = ''] = /^data:[^,]*?(;base64)?,(.*)$/s.exec(source) ?? [];
  const bytes = base64 === undefined ? Buffer.from(decodeURIComponent(data)) : Buffer.from(data, 'base64');
  return compression === 'gzip' ? execFileSync('gzip', ['-dc'], { input: bytes }).toString() : bytes.toString();
}

// biome-ignore lint/suspicious/noExplicitAny: a document whose parts are compared as they are
export function parsed(yaml: string): Record<string, any> {
  const script = 'import json, sys, yaml; print(json.dumps(yaml.load(sys.stdin, yaml.CSafeLoader)))';
  return JSON.parse(execFileSync('python3', ['-c', script], { input: yaml, encoding: 'utf8' }));
}
