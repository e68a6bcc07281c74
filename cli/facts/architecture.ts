import type { HostView } from '../host/index.ts';
import { type Architecture, type Fact, known, unknown } from './types.ts';

/** ELF e_machine (System V ABI) → the name Kata uses. */
const machines: Record<number, Architecture> = { 62: 'x86_64', 183: 'aarch64', 21: 'ppc64le', 22: 's390x' };
const nodeNames: Record<string, Architecture> = { x64: 'x86_64', arm64: 'aarch64', ppc64: 'ppc64le', s390x: 's390x' };
const probes = ['/usr/lib/systemd/systemd', '/usr/bin/containerd', '/usr/bin/sh', '/bin/sh'];

/** Of this process, by the name Kata uses; undefined where Kata has no release for it. */
export function ownArchitecture(): Architecture | undefined {
  return nodeNames[process.arch];
}

/** Live: of this process. Offline: of the first program of the tree that can be read. */
export async function architectureOf(host: HostView): Promise<Fact<Architecture>> {
  if (host.booted) {
    const name = ownArchitecture();
    return name === undefined
      ? unknown(`this machine is ${process.arch}, which Kata has no release for`)
      : known(name, 'the running program');
  }
  for (const path of probes) {
    if ((await host.stat(path))?.kind !== 'file') continue;
    const head = (await host.readHead(path, 20)) ?? Buffer.alloc(0);
    if (head.length < 20 || head.readUInt32BE(0) !== 0x7f454c46) continue;
    const name = machines[head[5] === 2 ? head.readUInt16BE(18) : head.readUInt16LE(18)];
    if (name !== undefined) return known(name, path);
  }
  return unknown(`none of ${probes.join(', ')} is a program`);
}

export async function kvmState(host: HostView): Promise<Fact<boolean>> {
  if (!host.booted) return unknown('an offline tree has no devices');
  return known((await host.lstat('/dev/kvm')) !== undefined, '/dev/kvm');
}
