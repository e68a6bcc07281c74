import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { labFolder } from '../../lab/cache.ts';
import { debianRoot, type Suite } from '../../lab/roots.ts';
import { run } from '../../lab/run.ts';
import { layered } from './layered.ts';

/**
 * A stand-in for rpm-ostree, which Debian does not have: its words for status, uninstall and cleanup, and a deployment that waits, as a file
 * in /run as the real one. `fail` makes it fail, `other` lets another deployment wait, `log` has every call but those of status.
 */
export const rpmOstreeState = '/run/rpm-ostree-stand-in';

const script = `#!/bin/sh
# A stand-in for rpm-ostree: see spec/support/trees/rpmOstree.ts.
state=${rpmOstreeState}
mkdir -p $state
[ "$1" = status ] || echo "$*" >>$state/log
booted='{"booted": true, "staged": false, "requested-packages": ["kata-containers", "vim"], "requested-local-packages": []}'
case "$*" in
  'status --json')
    waiting=
    [ -e $state/staged ] && waiting='{"booted": false, "staged": true, "requested-packages": ["vim"], "requested-local-packages": []},'
    [ -e $state/other ] && waiting='{"booted": false, "staged": true, "requested-packages": ["kata-containers", "vim", "htop"]},'
    printf '{"deployments": [%s%s], "transaction": null, "cached-update": null}\\n' "$waiting" "$booted"
    ;;
  'uninstall kata-containers')
    if [ -e $state/fail ]; then
      echo 'error: this stand-in was told to fail' >&2
      exit 1
    fi
    touch $state/staged
    echo 'Changes queued for next boot. Run "systemctl reboot" to start a reboot'
    ;;
  'cleanup --pending') rm -f $state/staged $state/other ;;
  *)
    echo "this stand-in knows no $*" >&2
    exit 64
    ;;
esac
`;

/** Files below /usr of a host on which the package is layered. */
const files: Record<string, string> = {
  'usr/bin/rpm-ostree': script,
  [layered.shim]: '#!/bin/sh\n# A stand-in for the shim of the layered package: it is looked at, and serves no pod.\necho stand-in\n',
};

/** A /usr as that of the suite with the package layered, in a folder of its own. */
export async function layeredUsr(suite: Suite): Promise<{ usr: string; remove(): Promise<void> }> {
  const folder = await mkdtemp(join(labFolder(), 'layered-'));
  await run(['cp', '-al', join(await debianRoot(suite), 'usr'), join(folder, 'usr')]);
  for (const [path, text] of Object.entries(files)) await writeFile(join(folder, path), text, { mode: 0o755 });
  return { usr: join(folder, 'usr'), remove: () => rm(folder, { recursive: true }) };
}
