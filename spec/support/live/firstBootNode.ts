import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { put } from '../trees/hostTrees.ts';

/** What the unit's script finds of a node besides its files. */
export interface Said {
  /** of `systemctl show containerd.service` */
  execStart?: string;
  environment?: string;
  version?: string;
  /** a program that fails, by its name */
  broken?: string;
  /** further programs of the node, as the shell's text */
  programs?: Record<string, string>;
}

const USUAL = '{ path=/usr/bin/containerd ; argv[]=/usr/bin/containerd ; ignore_errors=no }';

/** What Ignition writes of a configuration, and the archive where an earlier try has fetched it to. */
export function prepareNode(root: string, output: string): void {
  const config = JSON.parse(readFileSync(join(output, 'kata-sysext.ign'), 'utf8')) as {
    storage: { files: { path: string; contents: { source: string } }[] };
  };
  for (const { path, contents } of config.storage.files)
    put(root, path, Buffer.from(contents.source.replace(/^[^,]*,/, ''), 'base64'), 0o755);
  const archive = readdirSync(output).find((name) => name.endsWith('.tar.gz')) ?? '';
  const work = join(root, 'var/usrlocal/libexec/kata-sysext-first-boot');
  mkdirSync(work, { recursive: true });
  copyFileSync(join(output, archive), join(work, archive));
}

/** Runs the script of the first boot with the tree's /etc, /var and /usr/local in the place of this machine's. systemctl and containerd are stand-ins. */
export function bootNode(
  root: string,
  { execStart = USUAL, environment = '', version = '1.7.24', broken, programs: more = {} }: Said = {},
) {
  const programs = mkdtempSync(join(tmpdir(), 'kata-sysext-node-'));
  const program = (name: string, text: string) => {
    writeFileSync(join(programs, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(programs, name), 0o755);
  };
  const daemon = join(programs, 'containerd');
  writeFileSync(join(programs, 'ExecStart'), execStart.replace('path=/usr/bin/containerd', `path=${daemon}`));
  writeFileSync(join(programs, 'Environment'), environment);
  program(
    'systemctl',
    `case "$*" in *ExecStart*) cat "$(dirname "$0")/ExecStart";; *Environment*) cat "$(dirname "$0")/Environment";; *) exit 3;; esac`,
  );
  program('containerd', `echo "containerd github.com/containerd/containerd ${version} 0000"`);
  // A stand-in: this machine's kernel gets no modules by a spec.
  program('modprobe', 'echo "$*" >>"$(dirname "$0")/modprobes"');
  if (broken !== undefined) program(broken, 'exit 1');
  for (const [name, text] of Object.entries(more)) program(name, text);
  // Tries are counted there: not on this machine.
  const ran = onNode(
    root,
    'mount -t tmpfs tmpfs /run; PATH="$2:/usr/sbin:/usr/bin" exec /bin/sh /etc/kata-sysext-first-boot/hook.sh',
    programs,
  );
  const asked = join(programs, 'modprobes');
  const modprobes = existsSync(asked) ? readFileSync(asked, 'utf8').trim().split('\n') : [];
  rmSync(programs, { recursive: true });
  return { status: ran.status, said: ran.stderr, modprobes };
}

/** What systemd itself says of the conditions of the unit on the tree: whether a boot would run it. */
export function wouldRun(root: string, output: string): boolean {
  const config = JSON.parse(readFileSync(join(output, 'kata-sysext.ign'), 'utf8')) as { systemd: { units: { contents: string }[] } };
  const conditions = config.systemd.units[0]!.contents.split('\n').filter((line) => line.startsWith('Condition'));
  const judged = onNode(root, 'shift; exec systemd-analyze condition "$@"', ...conditions);
  if (!/Conditions (succeeded|failed)\./.test(judged.stderr)) throw new Error(judged.stderr);
  return judged.status === 0;
}

/** A line of the shell with the tree's /etc, /var and /usr/local in the place of this machine's; $1 is the tree. */
function onNode(root: string, line: string, ...words: string[]) {
  const mounts = 'mount --bind "$1/etc" /etc; mount --bind "$1/var/usrlocal" /usr/local; mount --bind "$1/var" /var';
  return spawnSync('unshare', ['--mount', '--propagation', 'private', 'sh', '-ec', `${mounts}; ${line}`, 'sh', root, ...words], {
    encoding: 'utf8',
  });
}
