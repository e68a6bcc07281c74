import { constants } from 'node:fs';
import { open, statfs } from 'node:fs/promises';
import { errnoOf, KataError } from '../errors/index.ts';
import { type HostView, isContext } from '../host/index.ts';
import type { Access, Policy } from './types.ts';

const folder = '/sys/fs/selinux';
/** Linux, include/uapi/linux/magic.h: SELINUX_MAGIC. */
const selinuxMagic = 0xf97cff8c;
/** Linux, security/selinux/selinuxfs.c: a transaction is at most a page. */
const maxAnswerBytes = 4096;
const maxPermissions = 32;
/** The kernel's own flag that the source domain is permissive: AVD_FLAGS_PERMISSIVE. */
const permissiveFlag = 1;

interface SecurityClass {
  index: number;
  /** By the number of its bit, from 1 on. */
  permissions: Map<string, number>;
}

/**
 * The policy that the running kernel enforces, asked through selinuxfs. undefined where SELinux is off. Nothing is remembered but the
 * numbers of classes: a policy may be loaded at any time, and then the next question fails and is asked of a new one.
 */
export async function kernelPolicy(host: HostView): Promise<Policy | undefined> {
  if (!host.booted) return undefined;
  const there = await statfs(folder).catch(() => undefined);
  if (there?.type !== selinuxMagic) return undefined;
  const classes = new Map<string, SecurityClass | undefined>();
  const classOf = async (name: string): Promise<SecurityClass | undefined> => {
    if (!classes.has(name)) classes.set(name, await readClass(host, name));
    return classes.get(name);
  };
  return {
    access: async (source, target, className) => {
      const found = await classOf(className);
      return found === undefined ? undefined : parseAccess(await transact('access', `${source} ${target} ${found.index}`), found);
    },
    create: async (source, target, className) => {
      const found = await classOf(className);
      if (found === undefined) throw unasked(`the class ${className}`, 'the policy does not have it');
      const context = (await transact('create', `${source} ${target} ${found.index}`)).replace(/\0.*$/s, '');
      if (!isContext(context)) throw unasked('create', 'the answer is no context');
      return context;
    },
    hasType: async (type) => {
      try {
        await transact('context', `system_u:object_r:${type}:s0`);
        return true;
      } catch (error) {
        if (error instanceof KataError && errnoOf(error.cause) === 'EINVAL') return false;
        throw error;
      }
    },
    deniesUnknown: async () => (await host.readText(`${folder}/deny_unknown`))?.trim() !== '0',
  };
}

/** Numbers of a class as the loaded policy has them: `class/NAME/index` and `class/NAME/perms/*`. */
async function readClass(host: HostView, name: string): Promise<SecurityClass | undefined> {
  if (!/^[a-z][a-z0-9_]{0,63}$/.test(name)) return undefined;
  const text = await host.readText(`${folder}/class/${name}/index`);
  if (text === undefined) return undefined;
  const permissions = new Map<string, number>();
  for (const each of (await host.readdir(`${folder}/class/${name}/perms`)).slice(0, maxPermissions)) {
    const number = numberIn(await host.readText(`${folder}/class/${name}/perms/${each}`));
    if (number >= 1 && number <= maxPermissions) permissions.set(each, number);
  }
  return { index: numberIn(text), permissions };
}

function numberIn(text: string | undefined): number {
  return /^\d{1,9}$/.test(text?.trim() ?? '') ? Number(text) : 0;
}

/** Linux, selinuxfs.c, sel_write_access: allowed, decided, auditallow, auditdeny, seqno, flags; hexadecimal but for seqno. Exported for its spec. */
export function parseAccess(answer: string, { permissions }: SecurityClass): Access {
  const match = /^([0-9a-f]{1,8}) [0-9a-f]{1,8} [0-9a-f]{1,8} [0-9a-f]{1,8} \d{1,10} ([0-9a-f]{1,8})\0?\n?$/.exec(answer);
  if (match === null) throw unasked('access', 'the answer is none of the kernel’s');
  const [bits, flags] = [BigInt(`0x${match[1]}`), Number.parseInt(match[2]!, 16)];
  const allowed = [...permissions].filter(([, number]) => (bits >> BigInt(number - 1)) & 1n).map(([name]) => name);
  return { allowed: new Set(allowed), known: new Set(permissions.keys()), permissive: (flags & permissiveFlag) !== 0 };
}

/** One question is one descriptor: written, then read (Linux, fs/libfs.c, simple_transaction_get). */
async function transact(file: 'access' | 'create' | 'context', question: string): Promise<string> {
  try {
    const handle = await open(`${folder}/${file}`, constants.O_RDWR | constants.O_NOFOLLOW);
    try {
      await handle.write(question);
      const { buffer, bytesRead } = await handle.read(Buffer.alloc(maxAnswerBytes), 0, maxAnswerBytes, null);
      return buffer.subarray(0, bytesRead).toString('latin1');
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw unasked(`${folder}/${file}`, errnoOf(error) ?? 'an unknown error', error);
  }
}

function unasked(subject: string, why: string, cause?: unknown): KataError {
  return new KataError('host-selinux-unasked', {
    subject,
    found: `the kernel’s SELinux policy does not answer: ${subject}: ${why}`,
    needed: 'an answer whether a pod may start',
    next: 'run the command as root; look for denials: ausearch -m AVC -ts recent',
    cause,
  });
}
