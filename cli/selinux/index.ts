import { backendOf } from '../backends/index.ts';
import type { TomlTable } from '../documents/toml/index.ts';
import { engineNamed, setsLabels } from '../engines/index.ts';
import { type Finding, KataError } from '../errors/index.ts';
import { selinuxState } from '../facts/index.ts';
import { contextsOf, type HostPath, type HostView } from '../host/index.ts';
import { handlerRow, installedName } from '../layout/index.ts';
import { type Generation, type GenerationManifest, payloadFolder, payloadOf, wiringsOf } from '../store/index.ts';
import { domainsOf, type PolicyEngine } from './domains.ts';
import { filesToWrite, installedFiles } from './files.ts';
import { denialFinding } from './findings.ts';
import { kernelPolicy } from './kernelPolicy.ts';
import { ask, devices } from './questions.ts';
import type { AskedHandler, Denial, PolicyFile } from './types.ts';

export type { AskedHandler, Policy } from './types.ts';

/** Types that only the reference policy has, and only Fedora's. */
const referenceType = 'container_engine_exec_t';

export interface PolicyRequest {
  found: PolicyEngine;
  handlers: AskedHandler[];
  /** The engine's effective configuration, where it was asked for already. */
  dump?: TomlTable | undefined;
}

/** Handlers by the release's words, as the questions want them. */
export function askedHandlers(releases: string[]): AskedHandler[] {
  return releases.map(handlerRow).map(({ name, family, hypervisor }) => ({ name: installedName(name), family, hypervisor }));
}

/** Where a payload would be, as far as labels go: below which folder, not under which digest. */
export function somePayload(root: HostPath): HostPath {
  return payloadFolder(root, `sha256:${'0'.repeat(64)}`);
}

/** What the kernel's policy denies to pods of these handlers, before anything is installed: by the labels that an install writes. */
export async function policyFindings(
  host: HostView,
  request: PolicyRequest & { home: HostPath },
  open: typeof kernelPolicy = kernelPolicy,
): Promise<Finding[]> {
  const denied = await asked(host, open, request, async (type) => filesToWrite(request.home, type));
  return [...denied, ...(await unlabelled(host, request))];
}

/** SELinux enforces, and the engine gives no pod a label: not Kata's either. Turning that on concerns every pod of the node. */
async function unlabelled(host: HostView, { found: { engine, instance }, dump }: PolicyRequest): Promise<Finding[]> {
  const state = host.live ? await selinuxState(host) : undefined;
  if (state?.known !== true || state.value.mode !== 'enforcing') return [];
  const effective = dump ?? (await engine.dump?.dumpEffective(host, instance).catch(() => undefined));
  if (effective === undefined || setsLabels(engine, effective)) return [];
  return [
    {
      code: 'engine-sets-no-labels',
      level: 'warning',
      subject: engine.name,
      found: `SELinux enforces, and ${engine.name} gives pods no labels: virtual machines run in the engine’s own domain`,
      needed: `${engine.selinux.setting}, which counts for every pod of the node`,
      next: 'kata-sysext explain engine-sets-no-labels',
    },
  ];
}

/** The same of an installed generation, by the labels that its files have. */
export async function installedPolicyFindings(
  host: HostView,
  to: GenerationManifest,
  request: Pick<PolicyRequest, 'found' | 'dump'>,
  open: typeof kernelPolicy = kernelPolicy,
): Promise<Finding[]> {
  const backend = backendOf(to.backend);
  return await asked(host, open, { ...request, handlers: to.handlers }, async (type) => {
    const payload = await payloadOf(host, to);
    const places = { base: backend.mountPoint(to.payloadFolder), home: backend.payloadDir(to.payloadFolder) };
    return payload === undefined ? [] : await installedFiles(host, to, payload, places, type);
  });
}

/** The same of the active generation, with the engines that it is wired into. */
export async function activePolicyFindings(host: HostView, { manifest, record }: Generation): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const wiring of host.live ? wiringsOf(record.wiring) : []) {
    const engine = engineNamed(wiring.engine);
    const instance = await engine?.findRecorded(host, wiring);
    if (engine !== undefined && instance !== undefined)
      findings.push(...(await installedPolicyFindings(host, manifest, { found: { engine, instance } })));
  }
  return withoutSame(findings);
}

async function asked(
  host: HostView,
  open: typeof kernelPolicy,
  { found, handlers, dump }: PolicyRequest,
  filesOf: (policyType: string) => Promise<PolicyFile[]>,
): Promise<Finding[]> {
  if (!host.live) return [];
  const state = await selinuxState(host);
  if (!state.known || state.value.mode === 'disabled') return [];
  try {
    const policy = await open(host);
    if (policy === undefined) return [];
    const type = state.value.policy ?? '';
    const files = await filesOf(type);
    const nodes = await contextsOf(host, await present(host));
    const denials: Denial[] = [];
    for (const shim of new Set(files.filter(({ role }) => role === 'shim file').map(({ context }) => context))) {
      const domains = await domainsOf(host, policy, found, { shim, type, dump });
      denials.push(...(await ask(policy, { domains, handlers, files, devices: nodes })));
    }
    const isReference = await policy.hasType(referenceType);
    return withoutSame(denials.map((denial) => denialFinding(denial, { enforcing: state.value.mode === 'enforcing', isReference })));
  } catch (error) {
    if (!(error instanceof KataError)) throw error;
    return [{ ...error.finding(), code: 'host-selinux-unasked', level: 'warning' }];
  }
}

async function present(host: HostView): Promise<HostPath[]> {
  const there: HostPath[] = [];
  for (const device of devices) if ((await host.lstat(device)) !== undefined) there.push(device);
  return there;
}

/** Two shims with different labels may be denied the same. */
function withoutSame(findings: Finding[]): Finding[] {
  return [...new Map(findings.map((finding) => [finding.found, finding])).values()];
}
