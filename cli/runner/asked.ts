import { isAddress, shownAddress } from '../download/address.ts';
import { readRegular } from '../host/index.ts';
import { words as quoted } from '../output/index.ts';

/** Who asked for a change, and by what: for the history. */
export interface Asked {
  /** The verb, its words and what it was to do, or the boot guard. Other options are left out: their values may be secrets. */
  cause: string;
  user?: User | undefined;
}

export interface User {
  uid: number;
  /** Not there where /etc/passwd does not have it. */
  name?: string | undefined;
}

/** Set by the one who follows, in the unit that does the work: there every change is root's. */
export const userVariable = 'KATA_SYSEXT_USER';
/** Set in a unit: then the work is done there, and progress is written as NDJSON for the one who follows. */
export const unitVariable = 'KATA_SYSEXT_UNIT';

const maxCause = 200;
const userName = /^[\w.@$-]{1,64}$/;
const number = /^\d{1,10}$/;
/** The login uid of a process without a login, such as a boot's or a timer's: AUDIT_UID_UNSET in Linux's include/uapi/linux/audit.h. */
const noLogin = 4294967295;

/** Options that say what a change is about; their values are names of handlers and profiles, keys of settings, and numbers of generations. */
const telling = ['handler', 'add-handler', 'remove-handler', 'profile', 'unset', 'to', 'keep', 'purge', 'stage'];
const plain = /^[\w.=-]{1,64}$/;

type Env = Readonly<Record<string, string | undefined>>;

export async function askedBy(verb: string, words: string[], options: Readonly<Record<string, unknown>>, env: Env): Promise<Asked> {
  const boot = options['boot'];
  if (boot !== undefined) return { cause: `boot guard (${String(boot)})` };
  const user = (env[unitVariable] === undefined ? undefined : userOf(env[userVariable] ?? '')) ?? (await whoAsks(env));
  const cause = [
    verb,
    ...(words.length === 0 ? [] : [quoted(words.map((word) => (isAddress(word) ? shownAddress(word) : word)))]),
    ...telling.flatMap((name) => shown(name, options[name])),
  ].join(' ');
  return { cause: cause.length > maxCause ? `${cause.slice(0, maxCause - 1)}…` : cause, user };
}

function shown(name: string, value: unknown): string[] {
  if (value === true) return [`--${name}`];
  return [value]
    .flat()
    .flatMap((each) => (['string', 'number'].includes(typeof each) && plain.test(String(each)) ? [`--${name} ${each}`] : []));
}

/** The user behind sudo, else the one who logged in, else the one that this process runs as. */
export async function whoAsks(env: Env): Promise<User | undefined> {
  const own = process.getuid?.();
  const behindSudo = own === 0 ? userOf(`${env['SUDO_UID'] ?? ''}:${env['SUDO_USER'] ?? ''}`) : undefined;
  if (behindSudo !== undefined) return behindSudo;
  const login = (await textOf('/proc/self/loginuid')).trim();
  const uid = number.test(login) && Number(login) !== noLogin ? Number(login) : own;
  if (uid === undefined) return undefined;
  const name = await nameOf(uid);
  return { uid, name };
}

/** '1000:anna' → the user; the same text as `userText` gives. */
function userOf(text: string): User | undefined {
  const [uid = '', name = ''] = text.split(':', 2);
  if (!number.test(uid)) return undefined;
  return { uid: Number(uid), name: userName.test(name) ? name : undefined };
}

export function userText({ uid, name }: User): string {
  return `${uid}:${name ?? ''}`;
}

async function nameOf(uid: number): Promise<string | undefined> {
  const rows = (await textOf('/etc/passwd')).split('\n').map((row) => row.split(':', 3));
  const name = rows.find(([, , id]) => id === String(uid))?.[0];
  return name !== undefined && userName.test(name) ? name : undefined;
}

/** Of this machine; empty where it cannot be read. */
async function textOf(path: string): Promise<string> {
  return (await readRegular(path, 'configuration', { follow: true }).catch(() => '')).toString();
}
