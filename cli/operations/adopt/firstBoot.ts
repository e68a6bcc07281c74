import { firstBootScript, firstBootUnit } from '../../generate/index.ts';
import type { Digest, HostPath, HostView } from '../../host/index.ts';
import type { PointerStep } from '../../transaction/index.ts';

const unitsFolder: HostPath = '/etc/systemd/system';
const unitFile: HostPath = `${unitsFolder}/${firstBootUnit}`;
const wants: HostPath = `${unitsFolder}/multi-user.target.wants/${firstBootUnit}`;
/** systemd takes no file of such a name for a unit. */
const temporary: HostPath = `${unitsFolder}/.new-${firstBootUnit}.tmp`;

/** What runs at the first boot of a node, in the form *rendered*, as it is found there. */
export interface FirstBoot {
  /** Script and unit. */
  files: HostPath[];
  archive: { name: string; digest: Digest; url?: string };
  /** 'never': it has not worked yet; 'begun': it was interrupted while it copied. */
  worked: 'yes' | 'begun' | 'never';
}

/** 'hook': what is there fetches the program, which installs by itself. undefined: nothing is there. */
export async function firstBootOf(host: HostView): Promise<FirstBoot | 'hook' | undefined> {
  const text = await host.readText(firstBootScript);
  if (text === undefined) return undefined;
  const [, stamp] = /^stamp=(\/\S+)$/m.exec(text) ?? [];
  const [, name, hex, url] = /^fetch (\S+) ([0-9a-f]{64})(?: (\S+?))?(?: \d+)?$/m.exec(text) ?? [];
  if (stamp === undefined || name === undefined || !/^place \//m.test(text)) return 'hook';
  const there = async (path: HostPath) => (await host.lstat(path)) !== undefined;
  const files = [firstBootScript, ...((await there(unitFile)) ? [unitFile] : [])];
  const begun = await there(`${stamp}.begun`);
  return {
    files,
    archive: { name, digest: `sha256:${hex}`, ...(url === undefined ? {} : { url }) },
    worked: begun ? 'begun' : (await there(stamp)) ? 'yes' : 'never',
  };
}

/** Its unit is started at no boot any more. The files stay: they are another's, and `systemctl enable` takes it back. */
export async function outOfUse(host: HostView): Promise<PointerStep[]> {
  const before = await host.readlink(wants);
  return before === undefined ? [] : [{ kind: 'pointer', path: wants, before, after: 'absent', temporary }];
}
