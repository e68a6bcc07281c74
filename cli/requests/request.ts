import { exactOptional } from 'valibot';
import { parseJson } from '../documents/index.ts';
import { readJsonText } from '../documents/jsonFile/index.ts';
import { absolutePath, closedTableOf, count, digest, listOf, misfitOf, oneOf, type Shaped, text, valueLike } from '../documents/shapes.ts';
import { errnoOf, KataError } from '../errors/index.ts';
import { type Digest, digestOf, readRegular } from '../host/index.ts';

const constant = <T extends string>(value: T) => valueLike<T>(`"${value}"`, (said) => said === value);

/** What a node should have: the words of `kata-sysext install`, as data. Keys that are not named here are a mistake. */
export type NodeRequest = Shaped<typeof requestShape>;
export const requestShape = closedTableOf({
  apiVersion: constant('kata-sysext/v1'),
  kind: constant('Request'),
  /** observe: what an install would do, and nothing of it. */
  mode: oneOf('observe', 'install', 'uninstall'),
  /** Archives, in order: a path of the node, an https address with its digest, or kata@VERSION. */
  bundles: exactOptional(listOf(closedTableOf({ from: text, digest: exactOptional(digest) }))),
  /** Where kata@VERSION is fetched from. */
  mirror: exactOptional(text),
  /** Files of the node: passwords of registries, as --registry-auth takes them; further certificates, as --ca-file does. */
  registryAuth: exactOptional(absolutePath),
  caFile: exactOptional(absolutePath),
  handlers: exactOptional(listOf(text)),
  /** NAME=HANDLER */
  aliases: exactOptional(listOf(text)),
  /** KEY=VALUE */
  settings: exactOptional(listOf(text)),
  profiles: exactOptional(listOf(text)),
  backend: exactOptional(text),
  format: exactOptional(text),
  engines: exactOptional(listOf(text)),
  /** Codes, as --allow takes them. */
  allow: exactOptional(listOf(text)),
  /** A folder that is there: what the report says is written into it for the node exporter of Prometheus. */
  metrics: exactOptional(absolutePath),
  /** A higher number than before tries again what failed, and what is held. */
  retry: exactOptional(count),
});

const maxBytes = 64 * 1024;

/** Reads a request from a file of this machine. Throws `request-unfit`. */
export async function readRequest(path: string): Promise<NodeRequest> {
  let content: string;
  try {
    content = (await readRegular(path, 'request')).toString();
  } catch (error) {
    throw unreadable(path, error);
  }
  return requestOf(content, path);
}

/** The request that a text is; `path` says where it is from. Throws `request-unfit`. */
export function requestOf(content: string, path: string): NodeRequest {
  let value: unknown;
  try {
    value = parseJson(content, { maxBytes });
    // The last of two keys of one name would win unseen.
    readJsonText(content, path);
  } catch (error) {
    throw unreadable(path, error);
  }
  const misfit = misfitOf(requestShape, value) ?? contradiction(value as NodeRequest);
  if (misfit !== undefined) throw unfit(path, `${path}: ${misfit}`);
  return value as NodeRequest;
}

/** A request that another document has in it; undefined where its text is none. */
export function requestIn(content: string): NodeRequest | undefined {
  try {
    return requestOf(content, 'a document');
  } catch (error) {
    if (error instanceof KataError) return undefined;
    throw error;
  }
}

function unreadable(path: string, error: unknown): KataError {
  return unfit(path, error instanceof KataError ? error.complaint.found : `${path} cannot be read (${errnoOf(error) ?? String(error)})`);
}

function contradiction({ mode, bundles = [] }: NodeRequest): string | undefined {
  if (mode === 'install' && bundles.length === 0) return 'bundles is missing: what should be installed';
  const proven = bundles.filter((bundle) => bundle.digest !== undefined);
  if (proven.length > 0 && proven.length < bundles.length) return 'bundles has digests for some of them only';
  return mode === 'uninstall' && bundles.length > 0 ? 'bundles has a place only where something is to be installed' : undefined;
}

function unfit(path: string, found: string): KataError {
  return new KataError('request-unfit', {
    subject: path,
    found,
    needed: 'a request as schema/request.json describes it',
    next: 'kata-sysext apply --help',
  });
}

/** Which request it is, whatever the order of its keys: a higher `retry` makes no other one. */
export function requestDigest({ retry: _again, ...request }: NodeRequest): Digest {
  return digestOf(JSON.stringify(request, Object.keys(request).sort().concat('from', 'digest')));
}
