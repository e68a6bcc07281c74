import { TrustedRoot } from '@sigstore/protobuf-specs';
import { toTrustMaterial } from '@sigstore/verify';
import { exactOptional } from 'valibot';
import { parseJson } from '../documents/index.ts';
import { readJsonText } from '../documents/jsonFile/index.ts';
import { listOf, misfitOf, moment, tableOf, text, textLike, valueLike } from '../documents/shapes.ts';
import { errnoOf, KataError } from '../errors/index.ts';
import { digestOf, type HostPath, type HostView } from '../host/index.ts';
import { unfitPolicy } from './complaints.ts';
import type { Proof, Signer } from './types.ts';

const maxBytes = 256 * 1024;

/** The library takes a log without a beginning for one that was always valid. As protobuf writes JSON, null is a key that is not there. */
const since = tableOf({
  start: moment,
  end: exactOptional(valueLike<string | null>('a time', (value) => value === null || misfitOf(moment, value) === undefined)),
});
const log = tableOf({ baseUrl: text, publicKey: tableOf({ rawBytes: text, keyDetails: text, validFor: since }) });
const authority = tableOf({ certChain: tableOf({ certificates: listOf(tableOf({ rawBytes: text })) }), validFor: since });
const shape = tableOf({
  mediaType: textLike(
    'the type of a trusted root',
    /^application\/vnd\.dev\.sigstore\.trustedroot(?:\+json;version=0\.1|\.v0\.[12]\+json)$/,
  ),
  tlogs: listOf(log),
  certificateAuthorities: listOf(authority),
  ctlogs: listOf(log),
  timestampAuthorities: exactOptional(listOf(authority)),
});

/**
 * The authorities and logs of a file trusted_root.json, as `cosign trusted-root create` and `gh attestation trusted-root` write it, with the
 * digest of the file. Throws `trust-unfit`.
 */
export async function readRoot(host: HostView, file: HostPath): Promise<{ root: Signer['root']; digest: Proof['keyDigest'] }> {
  try {
    const content = await host.readFile(file);
    const value = parseJson(content.toString(), { maxBytes });
    readJsonText(content.toString(), file);
    const misfit = misfitOf(shape, value);
    if (misfit !== undefined) throw unfitPolicy(file, misfit);
    return { root: toTrustMaterial(TrustedRoot.fromJSON(value)), digest: digestOf(content) };
  } catch (error) {
    if (error instanceof KataError && error.code === 'trust-unfit') throw error;
    throw unfitPolicy(
      file,
      error instanceof KataError ? error.complaint.found : (errnoOf(error) ?? 'it is no trusted root of sigstore'),
      error,
    );
  }
}
