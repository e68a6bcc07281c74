import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Digest, digestOf, type Host, openHost } from '../../../cli/host/index.ts';
import type { GenerationManifest, GenerationRecord, PayloadManifest } from '../../../cli/store/index.ts';
import { scratch } from './treeHost.ts';

const state = '/var/lib/kata-sysext';
const config = '[hypervisor.qemu]\npath = "/x"\n';
const created = '2026-01-01T00:00:00.000Z';

/** A tree whose store was written by hand, file by file: what the code says of it cannot come from the code that writes. */
export interface GenerationTree {
  root: string;
  host: Host;
  path(inside: string): string;
  /** Adds a payload with one program of this text, and a generation of it with one handler; the first is the active one. */
  add(
    number: number,
    more?: { shim?: string; record?: Partial<GenerationRecord>; manifest?: Partial<GenerationManifest> },
  ): GenerationManifest;
  activate(number: number): void;
}

export function generationTree(): GenerationTree {
  const root = scratch('generation');
  const put = (path: string, content: string | object, mode = 0o644) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === 'string' ? content : JSON.stringify(content), { mode });
  };
  for (const folder of ['etc/kata-sysext', ...['history', 'generations', 'payloads', 'tree'].map((name) => `${state}/${name}`)])
    mkdirSync(join(root, folder), { recursive: true });
  put(`${state}/folders.json`, { schema: 1, made: ['/etc/kata-sysext', state], roots: [state] }, 0o600);
  return {
    root,
    host: openHost(root, {}),
    path: (inside) => join(root, inside),
    add(number, { shim = `shim ${number}\n`, record = {}, manifest: more = {} } = {}) {
      const payload = payloadOf(shim);
      const manifest = { ...manifestOf(number, payload), ...more };
      put(`${payload.folder}/bin/shim`, shim, 0o755);
      put(`${state}/payloads/${hex(payload.digest)}.json`, payload);
      const folder = `${state}/generations/${number}`;
      put(`${folder}/manifest.json`, manifest);
      put(`${folder}/record.json`, { schema: 1, state: 'active', ...record }, 0o600);
      put(`${folder}/config/kata-qemu/configuration.toml`, config);
      symlinkSync(payload.folder, join(root, folder, 'payload'));
      symlinkSync('/etc/kata-containers/kata-qemu.d', join(root, folder, 'config/kata-qemu/config.d'));
      return manifest;
    },
    activate(number) {
      symlinkSync(`${state}/generations/${number}`, join(root, 'etc/kata-sysext/current'));
    },
  };
}

/** The same text gives the same payload: generations share it. */
export function payloadOf(shim: string): PayloadManifest {
  const digest = digestOf(`payload with ${shim}`);
  const extension = `${state}/tree/${hex(digest)}`;
  return {
    schema: 1,
    digest,
    root: state,
    folder: `${extension}/usr/share/kata`,
    extension: { folder: extension, release: 'ID=_any\n' },
    release: '4.1.0',
    sources: [{ name: 'kata.tar', digest: digestOf('kata.tar'), sizeBytes: 8 }],
    handlers: [
      {
        name: 'kata-qemu',
        release: 'qemu',
        family: 'go',
        hypervisor: 'qemu',
        shim: 'bin/shim',
        configuration: 'configuration.toml',
        files: ['bin/shim'],
      },
    ],
    defaultHandler: 'qemu',
    available: ['qemu'],
    entries: [
      { path: 'bin', kind: 'directory', mode: 0o755 },
      { path: 'bin/shim', kind: 'file', mode: 0o755, sizeBytes: shim.length, digest: digestOf(shim) },
    ],
    sizeBytes: shim.length,
    savedBytes: 0,
  };
}

function manifestOf(number: number, payload: PayloadManifest): GenerationManifest {
  return {
    schema: 1,
    number,
    created,
    program: '0.0.0',
    release: payload.release,
    sources: payload.sources,
    payload: payload.digest,
    payloadFolder: payload.folder,
    backend: 'prefix',
    format: 'directory',
    handlers: [
      {
        name: 'kata-qemu',
        release: 'qemu',
        family: 'go',
        hypervisor: 'qemu',
        shim: 'bin/shim',
        configuration: 'configuration.toml',
        shimDigest: payload.entries[1]!.digest!,
        configurationDigest: digestOf(config),
      },
    ],
    choices: { aliases: {}, profiles: {}, settings: {} },
  };
}

export function hex(digest: Digest): string {
  return digest.slice('sha256:'.length);
}
