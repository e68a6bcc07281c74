import { posix } from 'node:path';
import { contextsOf, type HostPath, type HostView } from '../host/index.ts';
import { familyOfPolicy, type LabelClass, labelFor, stockLabel } from '../layout/index.ts';
import type { GenerationManifest, PayloadManifest } from '../store/index.ts';
import type { FileRole, PolicyFile } from './types.ts';

/** One file of each kind that a release has, in folders that every release has. */
const samples: { path: string; role: FileRole; label: LabelClass }[] = [
  { path: 'bin/containerd-shim-kata-v2', role: 'shim file', label: 'shim' },
  { path: 'bin/qemu-system-x86_64', role: 'executable', label: 'hypervisor' },
  { path: 'bin/virtiofsd', role: 'executable', label: 'program' },
  { path: 'lib/libexample.so.1', role: 'library', label: 'library' },
  { path: 'share/kata-containers/vmlinux', role: 'data', label: 'data' },
  { path: 'share/kata-containers', role: 'folder', label: 'data' },
  { path: 'share/kata-containers/vmlinux.container', role: 'link', label: 'link' },
];

/** What an install would write below this folder, with the labels that it would write; paths as the release has them. */
export function filesToWrite(home: HostPath, policyType: string): PolicyFile[] {
  const family = familyOfPolicy(policyType);
  return samples.map(({ path, role, label }) => {
    const type = labelFor(family, `${home}/${path}`, label);
    return { path, role, context: `system_u:object_r:${type}:s0` };
  });
}

export interface Places {
  /** Where the engine finds the shim. */
  base: HostPath;
  /** Where the configuration finds everything else. */
  home: HostPath;
}

/** What the handlers of a generation need, with the labels that it has: files, and the folders and links on the way to them. */
export async function installedFiles(
  host: HostView,
  manifest: GenerationManifest,
  payload: PayloadManifest,
  { base, home }: Places,
  policyType: string,
): Promise<PolicyFile[]> {
  const names = new Set(manifest.handlers.map(({ name }) => name));
  const shims = new Set(manifest.handlers.map(({ shim }) => shim));
  const modes = new Map(payload.entries.map(({ path, kind, mode }) => [path, kind === 'file' ? mode : undefined]));
  const needed = new Set(payload.handlers.filter(({ name }) => names.has(name)).flatMap(({ files }) => files));
  const roles = new Map<HostPath, FileRole>();
  for (const path of shims) roles.set(await host.realpath(`${base}/${path}`), 'shim file');
  for (const path of needed) {
    const mode = modes.get(path);
    if (shims.has(path) || mode === undefined) continue;
    const there = `${home}/${path}`;
    const real = await host.realpath(there);
    for (const above of [...foldersOf(there), ...foldersOf(real)]) roles.set(above, 'folder');
    roles.set(real, roleOf(path, mode));
  }
  for (const path of needed) if (modes.has(path) && modes.get(path) === undefined) roles.set(`${home}/${path}`, 'link');
  return await withLabels(host, roles, familyOfPolicy(policyType));
}

async function withLabels(host: HostView, roles: Map<HostPath, FileRole>, family: string): Promise<PolicyFile[]> {
  const labels = await contextsOf(host, [...roles.keys()]);
  const files: PolicyFile[] = [];
  for (const [path, role] of roles) {
    const context = labels.get(path);
    if (context === undefined) continue;
    const stock = stockLabel(family, path);
    // The folders on the way may be links, as /usr/local is on ostree hosts.
    const kind = role === 'folder' && (await host.lstat(path))?.kind === 'symlink' ? 'link' : role;
    files.push({ path, role: kind, context, stock });
  }
  return files;
}

function foldersOf(path: HostPath): HostPath[] {
  const above = posix.dirname(path);
  return above === '/' ? ['/'] : [above, ...foldersOf(above)];
}

/** Programs lie in a folder of programs; what else may be executed is a library, or was only copied so. */
function roleOf(path: string, mode: number): FileRole {
  if (/\.so(\.[\w.-]+)?$/.test(path)) return 'library';
  return (mode & 0o111) !== 0 && /(^|\/)(s?bin|libexec)\//.test(path) ? 'executable' : 'data';
}
