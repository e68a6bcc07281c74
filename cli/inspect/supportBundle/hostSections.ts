import { arch, release } from 'node:os';
import { posix } from 'node:path';
import { enginePlugins } from '../../engines/index.ts';
import { type Fact, findExtensions, mergedExtensions, mounts, readFacts, systemdVersion } from '../../facts/index.ts';
import { findingLines } from '../../output/index.ts';
import { stateFolder } from '../../store/index.ts';
import { check } from '../check.ts';
import type { Asked, SectionRow } from './types.ts';

export const hostSections: SectionRow[] = [
  { name: 'program', title: 'kata-sysext and the host', lines: program },
  { name: 'facts', title: 'What is known of the host, and from where', lines: facts },
  { name: 'check', title: 'kata-sysext check', limitMs: 30_000, lines: checkLines },
  { name: 'kernel', title: 'A few parameters and modules of the kernel', lines: kernel },
  { name: 'mounts', title: 'Mounts that matter', lines: mountLines },
  { name: 'extensions', title: 'System extensions', limitMs: 15_000, lines: extensions },
];

async function program({ host, program: version }: Asked): Promise<string[]> {
  const systemd = await (await host.systemd().catch(() => undefined))?.version().catch(() => undefined);
  const free = await Promise.all(
    [stateFolder, '/usr/local', '/etc'].map(async (path) => `free at ${path}: ${await host.freeBytes(path).catch(() => 'unknown')} bytes`),
  );
  return [
    `kata-sysext ${version}, Node ${process.version} for ${arch()}`,
    `asked at ${host.now().toISOString()} ${process.getuid?.() === 0 ? 'as root' : 'without root'}`,
    host.live ? `a live host, kernel ${release()}, systemd ${systemd ?? 'does not answer'}` : 'a host tree that is not running (--root)',
    ...free,
  ];
}

async function facts({ host }: Asked): Promise<string[]> {
  const all = { ...(await readFacts(host)), systemd: await systemdVersion(host) };
  return Object.entries(all).map(([name, fact]) => `${name}: ${typeof fact === 'string' ? fact : valueText(fact)}`);
}

function valueText(fact: Fact<unknown>): string {
  return fact.known ? `${JSON.stringify(fact.value)} (from ${fact.source})` : `unknown: ${fact.why}`;
}

async function checkLines({ host }: Asked): Promise<string[]> {
  const seen = await check(host, { handlers: [] });
  const engines = [...(seen.engine === undefined ? [] : [seen.engine]), ...(seen.otherEngines ?? [])].map(
    ({ name, version, configPath, unit, handlers }) =>
      `engine: ${name} ${version ?? 'of unknown version'}, ${configPath}, unit ${unit ?? 'unknown'}, handlers ${handlers.join(' ') || 'unknown'}`,
  );
  return [
    seen.ready ? 'ready' : 'not ready',
    `backend: ${seen.backend}`,
    ...(engines.length === 0 ? ['engine: none'] : engines),
    ...findingLines(seen.findings),
  ];
}

/** A kernel's command line may hold passwords and addresses of disks: only these parameters are shown. */
const shown =
  /^(?:ro|rw|selinux|enforcing|systemd\.(?:unified_cgroup_hierarchy|unit|volatile)|composefs(?:\.digest)?|ostree|kvm[\w.-]*|mitigations|intel_iommu|amd_iommu|iommu|hugepages\w*|default_hugepagesz|cgroup\w*|nosmt|rootfstype)(?:=.*)?$/;

async function kernel({ host }: Asked): Promise<string[]> {
  if (!host.live) return ['a host tree that is not running has none'];
  const words = ((await host.readText('/proc/cmdline')) ?? '').trim().split(/\s+/);
  // What follows is for process 1.
  const end = words.indexOf('--');
  const own = (end === -1 ? words : words.slice(0, end)).filter((word) => shown.test(word));
  const modules = ((await host.readText('/proc/modules')) ?? '')
    .split('\n')
    .filter((line) => /^(?:kvm|vhost|overlay|erofs|vsock)/.test(line));
  return [`${own.join(' ')} (and ${words.length - own.length} others)`, ...modules];
}

async function mountLines({ host }: Asked): Promise<string[]> {
  const noisy = ['/var/lib/kubelet', ...enginePlugins().flatMap(({ storage }) => storage)];
  const wanted = (point: string) =>
    /^\/(?:usr|etc|opt|var|boot|sysroot)?(?:$|\/)/.test(point) && !noisy.some((folder) => point.startsWith(`${folder}/`));
  return (await mounts(host))
    .filter(({ point }) => wanted(point))
    .map(
      ({ point, type, options, superOptions }) =>
        `${point}: ${type}, ${options.join(',')}; ${superOptions.replace(/([a-z]+dir\+?)=[^,]*/g, '$1=…')}`,
    );
}

async function extensions({ host }: Asked): Promise<string[]> {
  const version = await systemdVersion(host);
  const found = await findExtensions(host, version.known ? version.value : 0);
  const lines = found.map(({ name, path, kind, opt }) => `${name}: ${path}, ${kind}${opt ? ', brings /opt' : ''}`);
  const links = await Promise.all(
    (await host.readdir('/etc/extensions')).map(
      async (name) => `/etc/extensions/${name} -> ${(await host.readlink(posix.join('/etc/extensions', name))) ?? 'no link'}`,
    ),
  );
  if (!host.live) return [...lines, ...links];
  const merged = (await host.has('systemd-sysext'))
    ? (await mergedExtensions(host)).map(
        ({ hierarchy, names, sinceMs }) =>
          `merged into ${hierarchy}: ${names.join(' ') || 'none'}${sinceMs === 0 ? '' : `, since ${new Date(sinceMs).toISOString()}`}`,
      )
    : ['there is no systemd-sysext'];
  return [...lines, ...links, ...merged];
}
