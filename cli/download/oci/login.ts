import { exactOptional } from 'valibot';
import { parseJson } from '../../documents/index.ts';
import { mapOf, misfitOf, tableOf, text } from '../../documents/shapes.ts';
import { commandWord, errnoOf, KataError } from '../../errors/index.ts';
import { fileLimits, ownershipFault, readOwned } from '../../host/regular.ts';
import type { Registry } from './reference.ts';

/** A name and a password, as the header `authorization` has them. */
export interface Login {
  header: string;
  /** The file that has them. */
  file: string;
}

interface Document {
  auths: Record<string, { auth?: string; identitytoken?: string }>;
}

const shape = tableOf({ auths: mapOf(tableOf({ auth: exactOptional(text), identitytoken: exactOptional(text) })) });

/**
 * What the file has for a registry: of the entries HOST and HOST/PATH the longest that the repository lies in, as containers-auth.json(5) says.
 * Undefined where it has none. Programs that the file names (credHelpers, credsStore) are not run. Throws `usage`; no message has text of the
 * file but names of its keys.
 */
export async function loginFor({ host, repository }: Registry, file: string): Promise<Login | undefined> {
  const { auths } = await documentOf(file, host);
  const parts = repository.split('/');
  const keys = parts.map((_, index) => [host, ...parts.slice(0, parts.length - index)].join('/'));
  const entries = new Map(Object.entries(auths));
  const key = [...keys, host].find((each) => entries.has(each));
  if (key === undefined) return undefined;
  const auth = pairOf(entries.get(key)!, (found) => unfit(`${file}: the entry ${key} has ${found}`, logIn(host)));
  return { header: `Basic ${auth}`, file };
}

async function documentOf(file: string, host: string): Promise<Document> {
  const content = await readOwned(file, 'credentials', 'read or change').catch((error: unknown) => {
    const path = commandWord(file);
    throw unfit(
      error instanceof KataError ? error.complaint.found : `${file} cannot be read (${errnoOf(error) ?? 'unknown reason'})`,
      ownershipFault(error) !== undefined ? `ls -lL ${path}; chown root ${path}; chmod 600 ${path}` : `ls -lL ${path}`,
    );
  });
  let value: unknown;
  try {
    value = parseJson(content.toString(), { maxBytes: fileLimits.credentials });
  } catch {
    // Its message may have a part of the file.
    throw unfit(`${file} is no JSON`, logIn(host));
  }
  const misfit = misfitOf(shape, value);
  if (misfit !== undefined) throw unfit(`${file}: ${misfit}`, logIn(host));
  return value as Document;
}

/**
 * NAME:PASSWORD in base64. RFC 7617 forbids control characters in both; but keys of service accounts are JSON with line ends, and registries
 * take them as passwords. In base64 none of them reaches the header.
 */
function pairOf({ auth = '', identitytoken = '' }: Document['auths'][string], unfitFor: (found: string) => KataError): string {
  if (identitytoken !== '') throw unfitFor('an identity token, which is not supported');
  const pair = Buffer.from(auth, 'base64');
  const isPair = pair.toString('base64') === auth && /^[^:\p{Cc}]+:.+$/su.test(pair.toString());
  if (!isPair) throw unfitFor('no auth with a name and a password in base64');
  return auth;
}

function logIn(host: string): string {
  return `podman login --authfile FILE ${host}; then add: --registry-auth FILE`;
}

function unfit(found: string, next: string): KataError {
  return new KataError('usage', {
    subject: '--registry-auth',
    found,
    needed: 'a file as podman login --authfile FILE writes it, which only root and its group can read: {"auths": {"HOST": {"auth": "…"}}}',
    next,
  });
}
