import { asset } from '../../assets/index.ts';
import { parseJson } from '../../documents/index.ts';
import { KataError } from '../../errors/index.ts';
import { pathTable } from '../tables.ts';

interface SettingTable {
  /** Paths of keys that say which hypervisor a handler is. */
  fixed: string[];
  /** Parts of a key's name. */
  secret: string[];
}

const table = parseJson(asset('overlays/settings.json')) as SettingTable;
const relocated = new Set(pathTable.relocated.map(({ key }) => key));
const nested = new Set(pathTable.tables.map(({ table, key }) => `${table}.${key}`));

/** True for a key whose value must not be shown or kept where others can read it. Also right for what is no key at all. */
function isSecret(key: string): boolean {
  const name = key.toLowerCase();
  return table.secret.some((part) => name.includes(part));
}

/** Throws `setting-refused` for what kata-sysext keeps in its own hands, or cannot keep at all. Never says the value. */
export function refuseOwn(path: string, handler: string): void {
  const complaint = isSecret(path) ? secretComplaint : ownsPath(path) || table.fixed.includes(path) ? ownComplaint : undefined;
  if (complaint !== undefined) throw new KataError('setting-refused', { subject: path, ...complaint(path, handler) });
}

function ownsPath(path: string): boolean {
  const [root, , ...rest] = path.split('.');
  return root === 'hypervisor' && ((rest.length === 1 && relocated.has(rest[0]!)) || nested.has(rest.join('.')));
}

/** The administrator's own fragments are read after kata-sysext's file and win over it; kata-sysext never changes or checks them. */
function ownComplaint(path: string, handler: string) {
  return {
    found: `${path} follows the release: it names files that kata-sysext installs, checks and exchanges together`,
    needed: 'a key that does not decide which files the handler runs',
    next: ownNext(path, handler),
  };
}

/** What `install --component` takes. */
const components = ['kernel', 'image', 'initrd', 'firmware'];

function ownNext(path: string, handler: string): string {
  const key = path.slice(path.lastIndexOf('.') + 1);
  const [, , ...rest] = path.split('.');
  if (rest.length === 1 && components.includes(key))
    return `kata-sysext install BUNDLE --component ${key}=FILE --alias NAME=${handler} makes a handler of its own with that file`;
  return `to use files of your own, write the key into /etc/kata-containers/${handler}.d/50-own.toml; verify does not cover them`;
}

function secretComplaint(path: string, handler: string) {
  return {
    found: `${path} holds a secret, and settings are kept in files that every user of the host can read`,
    needed: 'a place that only root can read',
    next: `write the key into /etc/kata-containers/${handler}.d/50-own.toml, with mode 0600`,
  };
}
