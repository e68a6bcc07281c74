import { asset } from '../assets/index.ts';
import { parseJson } from '../documents/index.ts';
import type { HostPath } from '../host/index.ts';
import { typeOf } from './contexts.ts';
import type { AskedHandler, Denial, Domains, FileRole, Policy, PolicyFile } from './types.ts';

interface Question {
  who: 'engine' | 'shim' | 'vm';
  /** A device, a domain, or files of a role. */
  on: `/dev/${string}` | 'shim' | 'vm' | FileRole;
  class: string;
  may: string[];
  /** Only where virtual machines have a label of their own. */
  labelled?: true;
  hypervisors?: string[];
  families?: string[];
  why: string;
}

interface Table {
  /** The type of each device by the stock file contexts of all families. */
  devices: Record<`/dev/${string}`, string>;
  questions: Question[];
}

const table = parseJson(asset('overlays/policyQuestions.json')) as Table;

/** Starts nothing here: nothing of this host has to be allowed. */
const elsewhere = 'remote';
/** Their virtual machines are the process of the shim, whose domain they keep. */
const inShim = 'dragonball';

export const devices = Object.keys(table.devices) as `/dev/${string}`[];

function stockDeviceType(device: string): string {
  return Object.hasOwn(table.devices, device) ? table.devices[device as `/dev/${string}`]! : 'device_t';
}

export interface Asked {
  domains: Domains;
  handlers: AskedHandler[];
  files: PolicyFile[];
  /** Contexts of the device nodes. */
  devices: Map<string, string>;
}

interface Target {
  context: string;
  paths: HostPath[];
  mislabelled: boolean;
}

/** Every permission that the policy does not give and that a pod of these handlers needs. Each question is asked once for each type. */
export async function ask(policy: Policy, asked: Asked): Promise<Denial[]> {
  const denials = new Map<string, Denial>();
  const put = async (source: string, target: Target, className: string, may: string[], why: string): Promise<void> => {
    const denial = await denialOf(policy, source, target, { className, may, why });
    if (denial === undefined) return;
    const key = [typeOf(source), typeOf(target.context), className, denial.mislabelled].join(' ');
    const before = denials.get(key);
    denials.set(key, before === undefined ? denial : joined(before, denial));
  };
  for (const question of table.questions) {
    for (const domains of kindsOf(question, asked)) {
      for (const target of targetsOf(question, domains, asked)) {
        await put(domains[question.who], target, question.class, question.may, question.why);
      }
    }
  }
  await askStarts(policy, asked, put);
  return [...denials.values()];
}

/** The domains of the handlers that a row is about: one pair, or two where some handlers' machines are in their shim. */
function kindsOf({ hypervisors, families, labelled, who }: Question, { handlers, domains }: Asked): Domains[] {
  const rows = handlers.filter(
    ({ hypervisor, family }) =>
      hypervisor !== elsewhere && (hypervisors?.includes(hypervisor) ?? true) && (families?.includes(family) ?? true),
  );
  const own = domains.labelled && rows.some(({ hypervisor }) => hypervisor !== inShim) ? [domains] : [];
  const shared = rows.length > 0 && (!domains.labelled || rows.some(({ hypervisor }) => hypervisor === inShim));
  const within = shared && labelled !== true ? [{ ...domains, vm: domains.shim, labelled: false }] : [];
  // What the shim or the engine does is the same for both.
  return who === 'vm' || labelled === true ? [...own, ...within] : [...own, ...within].slice(0, 1);
}

function targetsOf({ on }: Question, domains: Domains, { files, devices: nodes }: Asked): Target[] {
  if (on === 'shim' || on === 'vm') return [domainTarget(domains[on])];
  if (on.startsWith('/dev/')) {
    const context = nodes.get(on) ?? `system_u:object_r:${stockDeviceType(on)}:s0`;
    return [{ context, paths: [on], mislabelled: typeOf(context) !== stockDeviceType(on) }];
  }
  return filesOf(files, on as FileRole);
}

function domainTarget(context: string): Target {
  return { context, paths: [], mislabelled: false };
}

/** Files of a role by their label. */
function filesOf(files: PolicyFile[], wanted: FileRole): Target[] {
  const byContext = new Map<string, Target>();
  for (const { path, context, stock } of files.filter(({ role }) => role === wanted)) {
    const mislabelled = stock !== undefined && stock !== typeOf(context);
    const key = `${context} ${mislabelled}`;
    const target = byContext.get(key) ?? { context, paths: [], mislabelled };
    target.paths.push(path);
    byContext.set(key, target);
  }
  return [...byContext.values()];
}

type Put = (source: string, target: Target, className: string, may: string[], why: string) => Promise<void>;

/** How a program comes to its domain: the shim, and the hypervisor where nothing sets a label for it. */
async function askStarts(policy: Policy, { domains, handlers, files }: Asked, put: Put): Promise<void> {
  if (handlers.every(({ hypervisor }) => hypervisor === elsewhere)) return;
  for (const target of filesOf(files, 'shim file')) await start(put, domains.engine, domains.shim, target, 'the engine starts the shim');
  if (domains.labelled) return;
  for (const target of filesOf(files, 'executable')) {
    const to = await policy.create(domains.shim, target.context, 'process');
    await start(put, domains.shim, to, target, 'the shim starts it, and sets no label');
  }
}

/** Linux, security/selinux/hooks.c, selinux_bprm_creds_for_exec: what is asked with and without a change of the domain. */
async function start(put: Put, from: string, to: string, target: Target, why: string): Promise<void> {
  if (from === to) return await put(from, target, 'file', ['execute_no_trans'], why);
  await put(from, domainTarget(to), 'process', ['transition'], why);
  await put(to, target, 'file', ['entrypoint'], why);
}

async function denialOf(
  policy: Policy,
  source: string,
  target: Target,
  { className, may, why }: { className: string; may: string[]; why: string },
): Promise<Denial | undefined> {
  const access = await policy.access(source, target.context, className);
  const unknown = may.filter((permission) => access?.known.has(permission) !== true);
  const denied = may.filter((permission) => access?.known.has(permission) === true && !access.allowed.has(permission));
  const permissions = unknown.length > 0 && (await policy.deniesUnknown()) ? [...denied, ...unknown] : denied;
  if (permissions.length === 0) return undefined;
  const { paths, mislabelled } = target;
  return { source, target: target.context, className, permissions, permissive: access?.permissive === true, paths, mislabelled, why };
}

function joined(one: Denial, other: Denial): Denial {
  return {
    ...one,
    permissions: [...new Set([...one.permissions, ...other.permissions])],
    paths: [...new Set([...one.paths, ...other.paths])],
    permissive: one.permissive && other.permissive,
    why: one.why.includes(other.why) ? one.why : `${one.why}; ${other.why}`,
  };
}
