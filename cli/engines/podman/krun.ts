import { posix } from 'node:path';
import { parseJson } from '../../documents/json.ts';
import { valueAt } from '../../documents/toml/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { firstThere } from '../common/unitFiles.ts';

const program = 'krun';
const places: HostPath[] = ['/usr/bin/podman', '/usr/local/bin/podman', '/bin/podman'];
/** What it makes when root first uses it in a boot: one that was not used yet would make its folders when it is asked. */
const used: HostPath = '/run/libpod';
const libraryFolders: HostPath[] = [
  '/usr/lib64',
  '/usr/lib',
  '/usr/lib/x86_64-linux-gnu',
  '/usr/lib/aarch64-linux-gnu',
  '/usr/lib/s390x-linux-gnu',
  '/usr/local/lib64',
  '/usr/local/lib',
];
/** What crun opens when it is called as krun; one of them is enough (crun, src/libcrun/handlers/krun.c). */
const libraries = ['libkrun.so.1', 'libkrun-sev.so.1', 'libkrun-awsnitro.so.1'];
const kvm: HostPath = '/dev/kvm';
const timeoutMs = 30_000;
const maxInfo = { maxBytes: 1 << 20 };

const code = 'podman-krun';
const reference = 'docs/concepts/docker.md#nerdctl-and-podman';

/**
 * Podman's own way to a virtual machine for a container: crun with libkrun, under the name krun. Not Kata's, and nothing of kata-sysext's is
 * needed for it. Asks Podman which program it would run (`podman info`), and looks for the library and for KVM.
 */
export async function krunFindings(host: HostView): Promise<Finding[]> {
  if (!host.live) return [];
  const podman = await firstThere(host, places);
  if (podman === undefined) return [];
  if ((await host.stat(used)) === undefined) return [unasked(`${used} is not there: root has not used Podman in this boot yet`)];
  const known = await runtimeOf(host, podman);
  if (typeof known === 'string') return [unasked(known)];
  const { path, features } = known;
  const library = await libraryOf(host);
  const lacking = [
    ...(path === undefined ? [`Podman finds no program ${program}`] : []),
    ...(path !== undefined && !features.includes('+LIBKRUN') ? [`${path} is built without libkrun`] : []),
    ...(library === undefined ? [`there is no ${libraries[0]}`] : []),
    ...((await host.stat(kvm)) === undefined ? [`there is no ${kvm}`] : []),
  ];
  return [lacking.length === 0 ? works(path!, library!) : fails(lacking)];
}

/** By Podman's word; without a path where it finds none. In words why it cannot be told. */
async function runtimeOf(host: HostView, podman: HostPath): Promise<{ path: HostPath | undefined; features: string[] } | string> {
  const args = ['--runtime', program, 'info', '--format', 'json'];
  const ran = await host.run(podman, args, { timeoutMs, accept: [0, 125] }).catch((error: unknown) => String(error));
  if (typeof ran === 'string') return `podman info failed: ${ran}`;
  if (ran.code !== 0) {
    if (/OCI runtime "?krun"? not found/.test(ran.stderr)) return { path: undefined, features: [] };
    return 'podman info failed';
  }
  try {
    const runtime = valueAt(parseJson(ran.stdout, maxInfo), ['host', 'ociRuntime']);
    const [path, version] = ['path', 'version'].map((key) => valueAt(runtime, [key]));
    if (typeof path !== 'string' || typeof version !== 'string' || !posix.isAbsolute(path)) return 'podman info names no program';
    return { path, features: version.split(/\s+/) };
  } catch (error) {
    return `podman info says nothing that can be read: ${error instanceof Error ? error.message : String(error)}`;
  }
}

async function libraryOf(host: HostView): Promise<HostPath | undefined> {
  return firstThere(
    host,
    libraryFolders.flatMap((folder) => libraries.map((name) => `${folder}/${name}`)),
  );
}

function works(path: HostPath, library: HostPath): Finding {
  return {
    code,
    level: 'info',
    subject: program,
    found: `Podman has a way of its own to a virtual machine here: ${path} with ${library} and ${kvm}`,
    needed: 'nothing of kata-sysext: it is not Kata',
    next: `podman run --runtime ${program} --rm IMAGE uname -r`,
  };
}

function fails(lacking: readonly string[]): Finding {
  return {
    code,
    level: 'warning',
    subject: program,
    found: `Podman’s own way to a virtual machine does not work here: ${lacking.join('; ')}`,
    needed: `the program ${program} (crun with libkrun), ${libraries[0]} and ${kvm}`,
    next: `install the package crun-krun or its like, and see ${reference}`,
  };
}

function unasked(why: string): Finding {
  return {
    code,
    level: 'info',
    subject: program,
    found: `whether Podman can run ${program}, its own way to a virtual machine, is not known: ${why}`,
    needed: `the answer of podman --runtime ${program} info`,
    next: `podman --runtime ${program} info`,
  };
}
