import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { resolveOci } from '../../cli/download/oci/index.ts';
import { usualPatience } from '../../cli/download/types.ts';
import type { KataError } from '../../cli/errors/index.ts';
import type { Digest } from '../../cli/host/index.ts';
import { sha256 } from '../support/digests.ts';
import { authority, serveTls } from '../support/tlsServer.ts';

const ociManifest = 'application/vnd.oci.image.manifest.v1+json';
const ociIndex = 'application/vnd.oci.image.index.v1+json';
const digestOf = (bytes: Buffer): Digest => `sha256:${sha256(bytes)}`;
const ofJson = (value: object) => Buffer.from(JSON.stringify({ schemaVersion: 2, ...value }));

const layers = { amd64: randomBytes(100), arm64: randomBytes(100) };
const manifestOf = (layer: Buffer) =>
  ofJson({ mediaType: ociManifest, layers: [{ mediaType: 'application/x-tar', digest: digestOf(layer), size: layer.length }] });
const [amd64, arm64] = [manifestOf(layers.amd64), manifestOf(layers.arm64)];
const entry = (content: Buffer, architecture: string, more: object = {}) => ({
  mediaType: ociManifest,
  digest: digestOf(content),
  size: content.length,
  platform: { os: 'linux', architecture },
  ...more,
});
const indexOf = (...manifests: object[]) => ofJson({ mediaType: ociIndex, manifests });
const both = indexOf(entry(amd64, 'amd64'), entry(arm64, 'arm64', { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } }));

describe('an index of artefacts', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-index-'));
    mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
    for (const each of [amd64, arm64, both]) put(each);
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  const put = (bytes: Buffer, as = sha256(bytes)) => writeFileSync(join(folder, 'blobs/sha256', as), bytes);
  /** `machine`: empty where it is not known. */
  const resolved = (content: Buffer, machine = 'x86_64') =>
    resolveOci({ kind: 'layout', folder, manifest: digestOf(content) }, {}, async () => (machine === '' ? undefined : machine));

  it('is the manifest for the machine, in a folder', async () => {
    assert.equal((await resolved(both)).digest, digestOf(layers.amd64));
    assert.equal((await resolved(both, 'aarch64')).digest, digestOf(layers.arm64));
  });

  it('is the manifest for the machine, in a registry that is asked for an index', async () => {
    const server = await serveTls((request, response) => {
      const found = [amd64, arm64, both].find((each) => request.url?.endsWith(digestOf(each)));
      response.writeHead(found !== undefined && request.headers.accept?.includes(ociIndex) === true ? 200 : 404).end(found);
    });
    const reference = { kind: 'registry', host: `localhost:${server.port}`, repository: 'kata', manifest: digestOf(both) } as const;
    const fetching = { caFile: authority, patience: { ...usualPatience, backoffMs: 1, failures: 1 } };
    const found = await resolveOci(reference, fetching, async () => 'aarch64');
    await server.close();

    assert.equal(found.digest, digestOf(layers.arm64));
    assert.equal(found.source, `oci://localhost:${server.port}/kata@${digestOf(both)}`);
  });

  const nested = indexOf(entry(both, 'amd64'));
  const rows: [title: string, content: Buffer, found: RegExp, machine?: string][] = [
    ['without the machine', both, /no manifest for linux\/s390x; it has linux\/amd64, linux\/arm64$/, 's390x'],
    ['for a machine that is not known', both, /no manifest for linux\/an unknown architecture; it has/, ''],
    ['with two for the machine', indexOf(entry(amd64, 'amd64'), entry(arm64, 'amd64')), /2 manifests for linux\/amd64/],
    ['of another system', indexOf(entry(amd64, 'amd64', { platform: { os: 'windows', architecture: 'amd64' } })), /it has windows\/amd64$/],
    ['without platforms', indexOf(entry(amd64, '', { platform: undefined })), /no manifest for linux\/amd64; it has no platform$/],
    ['with a platform of escapes', indexOf(entry(amd64, 'a\u001b[2J')), /platform\.architecture is not a word/],
    ['without manifests', ofJson({ mediaType: ociIndex }), /it has none$/],
    ['in an index', nested, /it is an index in an index/],
    ['that names an index of another type', indexOf(entry(amd64, 'amd64', { mediaType: ociIndex })), /no manifest for linux\/amd64/],
    ['with layers', ofJson({ mediaType: ociIndex, layers: [] }), /an index with layers/],
    ['that says it is a manifest', ofJson({ mediaType: ociManifest, manifests: [] }), /a manifest with manifests/],
    ['of 1,000 platforms', indexOf(...Array.from({ length: 1000 }, () => entry(amd64, 'riscv64'))), /, 990 more$/],
  ];
  for (const [title, content, found, machine = 'x86_64'] of rows)
    it(`${title} is refused`, async () => {
      put(content);

      await assert.rejects(resolved(content, machine), (error: KataError) => {
        assert.equal(error.code, 'oci-unfit');
        assert.match(error.complaint.found, found);
        return true;
      });
    });

  it('whose manifest was exchanged is refused', async () => {
    put(arm64, sha256(amd64));

    await assert.rejects(resolved(both), { code: 'oci-unfit', message: /the manifest has the digest/ });
  });
});
