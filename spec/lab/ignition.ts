import { existsSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from './run.ts';

/** Debian's Ignition, which lies where dracut takes it from, and its validator: specifications 3.0 to 3.3. */
export const IGNITION = '/usr/lib/dracut/modules.d/30ignition/ignition';
export const VALIDATE = '/usr/bin/ignition-validate';

const CONTEXTS = `/.*	system_u:object_r:default_t:s0
/etc(/.*)?	system_u:object_r:etc_t:s0
/etc/systemd/system(/.*)?	system_u:object_r:systemd_unit_file_t:s0
`;

export function hasIgnition(): boolean {
  return existsSync(IGNITION) && existsSync(VALIDATE);
}

/** Runs the real stages *fetch* and *files* of a configuration on a root tree, without a boot and without network. Throws its log. */
export async function ignitionFiles(config: string, root: string): Promise<void> {
  // Without a policy to label by Ignition fails at its end. These lines are those of Fedora's for what we write.
  const selinux = join(root, 'etc/selinux/config');
  const lacking = !existsSync(selinux);
  if (lacking) {
    const contexts = join(root, 'etc/selinux/targeted/contexts/files');
    await mkdir(contexts, { recursive: true });
    await writeFile(selinux, 'SELINUX=disabled\nSELINUXTYPE=targeted\n');
    await writeFile(join(contexts, 'file_contexts'), CONTEXTS);
  }
  const folder = await mkdtemp(join(tmpdir(), 'kata-sysext-ignition-'));
  try {
    // The platform "file" reads ./config.ign.
    await copyFile(config, join(folder, 'config.ign'));
    for (const stage of ['fetch', 'files']) {
      const places = ['--config-cache', 'cache.json', '--state-file', 'state', '--neednet', 'neednet'];
      const argv = [IGNITION, '--root', root, '--platform', 'file', '--stage', stage, ...places, '--log-to-stdout'];
      const { code, stdout } = await run(argv, { cwd: folder, allowFailure: true });
      // It also prints the whole configuration.
      const said = stdout.split('\n').filter((line) => /CRITICAL|ERROR|failed/i.test(line));
      if (code !== 0)
        throw new Error(`Ignition's stage ${stage} ended with ${code}:\n${said.map((line) => line.slice(0, 300)).join('\n')}`);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
    // A host would take it for its own.
    if (lacking) await rm(join(root, 'etc/selinux'), { recursive: true });
  }
}
