import { guardUnits } from '../bootGuard/units/index.ts';
import type { Finding } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { etcFolder, filesBelow, foreignFiles, fragmentsFolder } from '../store/index.ts';

/** Units of the guard that ran at the boot count as active until they are stopped. Their files went before, so that systemd forgets them then. */
export async function endGuard(host: HostView): Promise<void> {
  if (!host.live) return;
  const systemd = await host.systemd();
  for (const { unit, path } of guardUnits(host)) {
    if ((await host.lstat(path)) === undefined) await systemd?.stop(unit, 5000).catch(() => undefined);
  }
}

/** Files of other programs in the folders of kata-sysext, and the administrator's own settings for its handlers: they stay, and are reported. */
export async function foreignFindings(host: HostView): Promise<Finding[]> {
  const row =
    (level: Finding['level'], what: string) =>
    (path: string): Finding => {
      const found = `${path} is ${what}; it stays`;
      return { code: 'foreign-file', level, subject: path, found, needed: 'nothing', next: `remove it if nothing needs it: rm ${path}` };
    };
  const inOurs = (await foreignFiles(host, [etcFolder])).map(row('warning', 'no file of kata-sysext'));
  const fragments = (await filesBelow(host, fragmentsFolder)).map(row('info', 'a setting of the administrator'));
  return [...inOurs, ...fragments];
}
