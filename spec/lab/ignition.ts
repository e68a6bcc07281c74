import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run } from './run.ts';

/** Debian's Ignition, which lies where dracut takes it from, and its validator: specifications 3.0 to 3.3. */
const IGNITION = '/usr/lib/dracut/modules.d/30ignition/ignition';
export const VALIDATE = '/usr/bin/ignition-validate';

/** File contexts of Fedora's policy with their aliases; where they are not there, those of their lines that are for what we write. */
const policy = fileURLToPath(new URL('../../../shared/real-data/selinux/', import.meta.url));
const names = ['file_contexts', 'file_contexts.subs_dist'];
const CONTEXTS = `/.*	system_u:object_r:default_t:s0
/etc(/.*)?	system_u:object_r:etc_t:s0
/etc/systemd/system(/.*)?	system_u:object_r:systemd_unit_file_t:s0
`;

/** What Ignition asks to add arguments to the kernel, in the place of the operating system's own: it notes its words. */
const KARGS_HELPER = `#!/bin/sh
printf '%s\\n' "$@" >"$(dirname "$0")/said"
`;

export function hasIgnition(): boolean {
  return existsSync(IGNITION) && existsSync(VALIDATE);
}

/** Whether a tree without a policy of its own is labelled by a whole one. */
export function hasPolicy(): boolean {
  return names.every((name) => existsSync(join(policy, name)));
}

/**
 * Runs the real stages *fetch*, *kargs* and *files* of a configuration on a root tree, without a boot and without network. Gives the words by
 * which it asks the operating system for arguments of the kernel. Throws its log.
 */
export async function ignitionFiles(config: string, root: string): Promise<string[]> {
  // Without a policy to label by Ignition fails at its end.
  const selinux = join(root, 'etc/selinux/config');
  const lacking = !existsSync(selinux);
  if (lacking) await putPolicy(root);
  const folder = await mkdtemp(join(tmpdir(), 'kata-sysext-ignition-'));
  try {
    // The platform "file" reads ./config.ign.
    await copyFile(config, join(folder, 'config.ign'));
    await writeFile(join(folder, 'ignition-kargs-helper'), KARGS_HELPER, { mode: 0o755 });
    const env = { PATH: `${folder}${delimiter}${process.env['PATH'] ?? ''}` };
    for (const stage of ['fetch', 'kargs', 'files']) {
      const places = ['--config-cache', 'cache.json', '--state-file', 'state', '--neednet', 'neednet'];
      const argv = [IGNITION, '--root', root, '--platform', 'file', '--stage', stage, ...places, '--log-to-stdout'];
      const { code, stdout } = await run(argv, { cwd: folder, env, allowFailure: true });
      // It also prints the whole configuration.
      const said = stdout.split('\n').filter((line) => /CRITICAL|ERROR|failed/i.test(line));
      if (code !== 0)
        throw new Error(`Ignition's stage ${stage} ended with ${code}:\n${said.map((line) => line.slice(0, 300)).join('\n')}`);
    }
    const asked = join(folder, 'said');
    return existsSync(asked) ? (await readFile(asked, 'utf8')).split('\n').slice(0, -1) : [];
  } finally {
    await rm(folder, { recursive: true, force: true });
    // A host would take it for its own.
    if (lacking) await rm(join(root, 'etc/selinux'), { recursive: true });
  }
}

async function putPolicy(root: string): Promise<void> {
  const contexts = join(root, 'etc/selinux/targeted/contexts/files');
  await mkdir(contexts, { recursive: true });
  await writeFile(join(root, 'etc/selinux/config'), 'SELINUX=disabled\nSELINUXTYPE=targeted\n');
  if (!hasPolicy()) await writeFile(join(contexts, 'file_contexts'), CONTEXTS);
  else for (const name of names) await copyFile(join(policy, name), join(contexts, name));
}
