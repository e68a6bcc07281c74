import { writeFileSync } from 'node:fs';
import type { ImageManifest } from '../../cli/images/types.ts';
import { sha256 } from '../support/digests.ts';
import { withManifest } from '../support/judges/images.ts';

/** Where the release is in the images of these specs. */
export const inside = 'usr/share/kata';

const configuration = '[hypervisor.qemu]\npath = "/opt/kata/bin/qemu"\n';
const shim = 'a shim\n';
const context = 'system_u:object_r:usr_t:s0';

type Entry = ImageManifest['contents'][number];

export function fileAt(path: string, text: string, mode = 0o644): Entry {
  return { path, kind: 'file', mode, sizeBytes: Buffer.byteLength(text), digest: `sha256:${sha256(text)}`, context };
}

export function linkAt(path: string, target: string): Entry {
  return { path, kind: 'symlink', mode: 0o777, target, context };
}

/** The manifest of an image with one handler, that may be installed. */
export function plainManifest(filesystem = Buffer.alloc(4096, 7)): ImageManifest {
  return {
    schema: 1,
    format: 'squashfs',
    payload: `sha256:${'a'.repeat(64)}`,
    architecture: 'x86_64',
    release: '4.1.0',
    sources: [{ name: 'kata.tar', digest: `sha256:${'b'.repeat(64)}`, sizeBytes: 8 }],
    handlers: [
      {
        name: 'kata-qemu',
        release: 'qemu',
        family: 'go',
        hypervisor: 'qemu',
        shim: 'bin/shim',
        configuration: 'etc/configuration.toml',
        files: ['bin/shim'],
      },
    ],
    defaultHandler: 'qemu',
    available: ['qemu'],
    savedBytes: 0,
    extensionRelease: 'ID=_any\n',
    contents: [
      { path: inside, kind: 'directory', mode: 0o755, context },
      fileAt(`${inside}/bin/shim`, shim, 0o755),
      fileAt(`${inside}/etc/configuration.toml`, configuration),
    ],
    texts: { 'etc/configuration.toml': configuration },
    epoch: 7,
    tool: 'mksquashfs 4.6.1',
    program: '0.1.0',
    filesystem: { sizeBytes: filesystem.length, digest: `sha256:${sha256(filesystem)}` },
  };
}

/** An image as a file: what the bytes are for the kernel does not matter to who reads the manifest. */
export function writeImage(path: string, manifest: object = plainManifest(), filesystem = Buffer.alloc(4096, 7)): void {
  writeFileSync(path, withManifest(filesystem, manifest));
}
