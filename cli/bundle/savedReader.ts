import { createHash } from 'node:crypto';
import { KataError } from '../errors/index.ts';
import { fileLimits } from '../host/regular.ts';
import { signatureSuffixes } from '../trust/index.ts';
import type { ArchiveProver, SignatureFile, Verifier } from '../trust/types.ts';
import { damaged } from './complaints.ts';
import type { Receiver } from './receive.ts';
import { archiveFolder, type Contents } from './savedFormat.ts';
import type { SourceBytes } from './sourceBytes.ts';
import { blockBytes } from './tarHeader.ts';
import type { Member } from './tarReader.ts';
import type { ArchiveRecord } from './types.ts';

/** A saved bundle, of which the document has been read. */
export interface SavedBundle {
  contents: Contents;
  /** Its name as messages say it, and the place that is recorded of its signatures. */
  source: string;
  place: string;
  /** Its position among the sources. */
  index: number;
  receiver: Receiver;
  prover: ArchiveProver | undefined;
  /** Reads an archive as if it lay beside the others. */
  readArchive(bytes: SourceBytes, index: number): Promise<void>;
}

export interface SavedReader {
  /** A member behind the document: an archive is read, a signature is kept where it counts, everything else is for people. */
  member(member: Member): Promise<void>;
  /**
   * After the last member. Gives what was proven of each archive, where that is asked for. Throws `bundle-damaged` for an archive that the
   * document lists and that was not there.
   */
  finish(): ArchiveRecord[] | undefined;
}

/**
 * Nothing of an archive is received before each has what can prove it, and `finish` of its verifier has been called before the next one begins.
 * Throws `bundle-damaged`, the codes of the prover, and those of `readArchive`.
 */
export function savedReader(bundle: SavedBundle): SavedReader {
  const { contents, source, place, index, prover, receiver } = bundle;
  const signatures = new Map<string, SignatureFile[]>();
  const records: ArchiveRecord[] = [];
  let verifiers: Map<string, Verifier> | undefined;
  // A number of its own, which no other source has: two archives may have the same file.
  const numberOf = (at: number) => (index + 1) * stride + at;

  async function archive(member: Member, at: number): Promise<void> {
    const { name, digest, sizeBytes } = contents.archives[at]!;
    if (records.some((record) => record.name === name)) throw damaged(source, `${name} is in it twice`);
    if (prover !== undefined) verifiers ??= await verifiersOf(bundle, prover, signatures);
    const verifier = verifiers?.get(name);
    const number = numberOf(at);
    const label = labelOf(source, name);
    const inner = await bytesOf(member, { name: label, sizeBytes, onPiece: verifier?.update });
    receiver.savedNames.set(number, label);
    await bundle.readArchive(inner, number);
    if (inner.digest() !== digest) throw damaged(label, 'it does not have the digest that the bundle says');
    records.push({ name, digest, sizeBytes, ...(verifier !== undefined && { proof: verifier.finish() }) });
  }

  async function signature({ name, sizeBytes, body }: Member, of: string): Promise<void> {
    const kept = signatures.get(of) ?? [];
    const file = name.slice(archiveFolder.length);
    if (kept.some((each) => each.name === labelOf(source, file))) throw damaged(source, `${file} is in it twice`);
    if (sizeBytes > fileLimits.signature) throw damaged(source, `${file} is too long for a signature`);
    kept.push({ name: labelOf(source, file), place: `${place}: ${name}`, bundle: place, content: await wholeOf(body) });
    signatures.set(of, kept);
  }

  return {
    async member(member) {
      const at = contents.archives.findIndex(({ name }) => `${archiveFolder}${name}` === member.name);
      const signed = prover === undefined || at >= 0 ? undefined : archiveOfSignature(contents, member.name);
      if (at < 0 && signed === undefined) return;
      if (member.kind !== 'file') throw damaged(source, `${member.name} is a ${member.kind}`);
      await (signed === undefined ? archive(member, at) : signature(member, signed));
    },
    finish() {
      const lacking = contents.archives.find(({ name }) => records.every((record) => record.name !== name));
      if (lacking !== undefined) throw damaged(source, `it says that ${lacking.name} is in it, which is not`);
      if (prover === undefined) return undefined;
      const silent = contents.archives.find((_, at) => !receiver.versions.has(numberOf(at)));
      if (records.length > 1 && silent !== undefined) throw withoutVersion(source, silent.name);
      return records;
    },
  };
}

/** More than a command line has sources, and a saved bundle archives. */
const stride = 10_000;

/** What is to be verified, of each archive that no catalogue knows, before the first one is read. */
async function verifiersOf(
  { contents, source }: SavedBundle,
  prover: ArchiveProver,
  signatures: ReadonlyMap<string, SignatureFile[]>,
): Promise<Map<string, Verifier>> {
  const unknown = contents.archives.filter(({ digest }) => !prover.isKnown(digest)).map(({ name }) => name);
  const unproven = unknown.filter((name) => !signatures.has(name));
  if (unproven.length > 0) throw prover.unproven(unproven);
  const verifiers = new Map<string, Verifier>();
  for (const name of unknown) verifiers.set(name, await prover.verifierFor(labelOf(source, name), signatures.get(name)!));
  return verifiers;
}

function archiveOfSignature({ archives }: Contents, member: string): string | undefined {
  return archives.find(({ name }) => signatureSuffixes.some((suffix) => `${archiveFolder}${name}${suffix}` === member))?.name;
}

function labelOf(source: string, name: string): string {
  return `${source}: ${name}`;
}

/** Each archive has a signature, and one of an older release among them would not show. */
function withoutVersion(source: string, name: string): KataError {
  return new KataError('bundle-mixed', {
    subject: source,
    found: `${labelOf(source, name)} does not say of which release it is`,
    needed: 'archives of one release, each of which says so in its VERSION',
    next: 'save the archives of one release as Kata publishes them: kata-sysext bundle save',
  });
}

async function wholeOf(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = [];
  for await (const piece of body) pieces.push(piece);
  return Buffer.concat(pieces);
}

interface Inner {
  name: string;
  sizeBytes: number;
  onPiece: ((piece: Buffer) => void) | undefined;
}

/** A member as a source of its own. Each piece is the reader's own. */
async function bytesOf({ body }: Member, { name, sizeBytes, onPiece }: Inner): Promise<SourceBytes> {
  const hash = createHash('sha256');
  const first: Buffer[] = [];
  for (let bytes = 0; bytes < blockBytes; ) {
    const { done, value } = await body.next();
    if (done === true) break;
    first.push(value);
    bytes += value.length;
  }
  async function* all(): AsyncGenerator<Buffer, void> {
    yield* first.splice(0);
    for (;;) {
      const { done, value } = await body.next();
      if (done === true) return;
      yield value;
    }
  }
  async function* seen(): AsyncGenerator<Buffer, void> {
    for await (const piece of all()) {
      hash.update(piece);
      onPiece?.(piece);
      yield piece;
    }
  }
  return {
    name,
    sizeBytes,
    head: Buffer.concat(first).subarray(0, blockBytes),
    chunks: seen,
    digest: () => `sha256:${hash.digest('hex')}`,
    forget: async () => undefined,
    close: async () => undefined,
  };
}
