import { stat } from 'node:fs/promises';
import { digestOfSource, type SourceRecord } from '../../bundle/index.ts';
import { isAddress, shownAddress } from '../../download/address.ts';
import { isOci } from '../../download/oci/reference.ts';
import { commandWord, KataError } from '../../errors/index.ts';
import type { Digest, HostView } from '../../host/index.ts';
import { handlerRow, installedName } from '../../layout/index.ts';
import { command, words } from '../../output/index.ts';
import { type Generation, isIntact, type PayloadManifest, payloadOf } from '../../store/index.ts';
import type { Verifier } from '../../trust/index.ts';
import type { InstallRequest } from './types.ts';

/**
 * The handlers that an install is about, by the release's words: the named ones, else the installed ones with those that are added and
 * without those that are removed; undefined: the release's default. One that is both removed and added is replaced on purpose.
 * Throws `handler-unknown`, `handler-not-installed`, `last-handler`.
 */
export function wantedHandlers(host: HostView, request: InstallRequest, from: Generation | undefined): string[] | undefined {
  const [exact, add, remove] = [request.handlers, request.addHandlers, request.removeHandlers].map((names = []) =>
    [...new Set(names)].map((name) => handlerRow(name).name),
  ) as [string[], string[], string[]];
  if (exact.length > 0) return [...new Set(exact)];
  if (from === undefined && add.length + remove.length === 0) return undefined;
  const installed = (from?.manifest.handlers ?? []).flatMap(({ release, own }) => (own === undefined ? [release] : []));
  refuseNotInstalled(remove.map(installedName), installed.map(installedName));
  const wanted = [...new Set([...installed.filter((name) => !remove.includes(name)), ...add])];
  if (wanted.length === 0) throw lastHandler(host, installed.map(installedName));
  return wanted;
}

/** @param there installed names, and aliases where they may be named. Throws `handler-not-installed`. */
export function refuseNotInstalled(names: string[], there: string[]): void {
  const missing = names.filter((name) => !there.includes(name));
  if (missing.length === 0) return;
  throw new KataError('handler-not-installed', {
    subject: missing.join(', '),
    found: `${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} not installed`,
    needed: there.length === 0 ? 'an installed handler; there is none' : `one of ${there.join(', ')}`,
    next: 'kata-sysext status',
  });
}

/** @param names as they are installed */
export function lastHandler(host: HostView, names: string[]): KataError {
  return new KataError('last-handler', {
    subject: names.join(', '),
    found: 'no handler would be left',
    needed: 'at least one: without any the earlier generations would go as well',
    next: `take Kata off the host: ${command(host, 'uninstall')}`,
  });
}

/** Whether the active generation has these bundles and handlers. With all digests named it costs no reading, and only the shape of the installed files is looked at. */
export async function sameFiles(host: HostView, from: Generation, request: InstallRequest, signal: AbortSignal): Promise<boolean> {
  const installed = from.manifest.handlers.flatMap(({ release, own }) => (own === undefined ? [release] : [])).sort();
  const wanted = [...(wantedHandlers(host, request, from) ?? [])].sort();
  if (wanted.join() !== installed.join()) return false;
  if (from.manifest.sources.length !== request.sources.length) return false;
  for (const [index, source] of from.manifest.sources.entries()) {
    // A digest that the user names is checked when the bytes are read; here it only says which release is meant.
    const path = request.sources[index]!;
    if (!isAddress(path) && (await stat(path).catch(() => undefined)) === undefined) throw missing(path);
    const verifier = request.verifiers?.[index];
    if (verifier !== undefined && !isProvenBy(source, verifier)) return false;
    const prover = request.provers?.[index];
    // They were proven as parts of these very bytes; a key may be gone since then.
    if (prover !== undefined && source.archives?.every(prover.counts) !== true) return false;
    // The same signature of the same key was verified over the same bytes: an address is not downloaded to find that out.
    if (verifier !== undefined && isAddress(path) && request.digests[index] === undefined) continue;
    const digest: Digest = request.digests[index] ?? (await digestOfSource(path, { signal }));
    if (digest !== source.digest) return false;
  }
  const payload = await payloadOf(host, from.manifest);
  const named = request.sources.every((path, index) => request.digests[index] !== undefined || isAddress(path));
  return payload !== undefined && isIntact(host, payload, named ? 'shape' : 'bytes');
}

function isProvenBy({ proof }: SourceRecord, { signature, keyDigests }: Verifier): boolean {
  return proof !== undefined && proof.signature === signature && keyDigests.includes(proof.keyDigest);
}

/** The sources as words of a command line, with what proves them and how they are downloaded. */
export function typedSources({ sources, digests, signatures = [], fetching = {} }: InstallRequest): string[] {
  const { caFile, cacheDir, registryAuth } = fetching;
  const downloads = sources.some(isAddress);
  return [
    ...sources.map((source) => (isAddress(source) ? shownAddress(source) : source)),
    ...(downloads ? digests.flatMap((digest) => (digest === undefined ? [] : ['--digest', digest])) : []),
    ...signatures.flatMap((signature) => (signature === undefined ? [] : ['--signature', signature.place])),
    ...(sources.some(isOci) && registryAuth !== undefined ? ['--registry-auth', registryAuth] : []),
    ...(downloads && caFile !== undefined ? ['--ca-file', caFile] : []),
    ...(downloads && cacheDir !== undefined ? ['--cache', cacheDir] : []),
  ];
}

/** A wrong path is a mistake even where nothing would be read from it. */
function missing(path: string): KataError {
  return new KataError('bundle-missing', {
    subject: path,
    found: `${path} is not there or cannot be read`,
    needed: 'the bundle',
    next: `ls -l ${commandWord(path)}`,
  });
}

/** Installed names of handlers that this install both removes and adds: the added ones start without the earlier settings. */
export function replacedHandlers({ addHandlers = [], removeHandlers = [] }: InstallRequest): string[] {
  const added = new Set(addHandlers.map((name) => handlerRow(name).name));
  const names = removeHandlers.map((name) => handlerRow(name).name);
  return names.filter((name) => added.has(name)).map(installedName);
}

/** A handler never changes its shim family silently: Go and Rust read different configuration. Throws `handler-family`. */
export function refuseFamilyChange(
  host: HostView,
  from: Generation | undefined,
  to: Pick<PayloadManifest, 'handlers'>,
  request: InstallRequest,
): void {
  const replaced = replacedHandlers(request);
  for (const before of from?.manifest.handlers ?? []) {
    const after = to.handlers.find((handler) => handler.name === before.name);
    // One with files of the user follows the handler that it is based on.
    if (after === undefined || after.own !== undefined || after.family === before.family || replaced.includes(before.name)) continue;
    throw new KataError('handler-family', {
      subject: before.name,
      found: `${before.name} runs with the ${shimWord[before.family]} shim now and would run with the ${shimWord[after.family]} one`,
      needed: 'the same shim, or your word that the other one is meant: it reads other settings',
      next: command(host, `install ${words(typedSources(request))} --remove-handler ${before.name} --add-handler ${before.name}`),
    });
  }
}

const shimWord = { go: 'Go', rust: 'Rust' };
