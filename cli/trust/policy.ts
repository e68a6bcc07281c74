import { exactOptional } from 'valibot';
import { parseJson } from '../documents/index.ts';
import { readJsonText } from '../documents/jsonFile/index.ts';
import { closedTableOf, flag, listOf, misfitOf, type Shaped } from '../documents/shapes.ts';
import { errnoOf, KataError } from '../errors/index.ts';
import { byBytes, type HostPath, type HostView } from '../host/index.ts';
import { trustFolder, unfitPolicy } from './complaints.ts';
import { keyShape, readKey } from './keys.ts';
import type { Policy } from './types.ts';

const shape = closedTableOf({ strict: exactOptional(flag), keys: exactOptional(listOf(keyShape)) });

const maxFiles = 64;
const maxBytes = 64 * 1024;

/**
 * Whom the host trusts: all files *.json of trust.d together. Without the folder nothing is trusted and nothing is demanded.
 * Throws `trust-unfit` for any file that cannot be understood: a policy that is half read would demand less than its author wrote.
 */
export async function readPolicy(host: HostView): Promise<Policy> {
  if ((await host.lstat(trustFolder)) === undefined) return { strict: false, keys: [] };
  // A link that points nowhere was meant to point at a policy.
  if ((await host.stat(trustFolder))?.kind !== 'directory') throw unfitPolicy(trustFolder, 'it is no folder');
  const names = await host.readdir(trustFolder).catch((error: unknown) => {
    throw unfitPolicy(trustFolder, `it cannot be read (${errnoOf(error) ?? String(error)})`, error);
  });
  const files = names.filter((name) => name.endsWith('.json') && !name.startsWith('.')).sort(byBytes);
  if (files.length > maxFiles) throw unfitPolicy(trustFolder, `it has more than ${maxFiles} files`);
  const policy: Policy = { strict: false, keys: [] };
  for (const name of files) {
    const file: HostPath = `${trustFolder}/${name}`;
    const { strict = false, keys = [] } = await documentOf(host, file);
    policy.strict ||= strict;
    for (const row of keys) policy.keys.push(await readKey(host, row, file));
  }
  return policy;
}

async function documentOf(host: HostView, file: HostPath): Promise<Shaped<typeof shape>> {
  let value: unknown;
  try {
    const content = (await host.readFile(file)).toString();
    value = parseJson(content, { maxBytes });
    // The last of two keys of one name would win unseen.
    readJsonText(content, file);
  } catch (error) {
    throw unfitPolicy(file, error instanceof KataError ? error.complaint.found : (errnoOf(error) ?? String(error)), error);
  }
  const misfit = misfitOf(shape, value);
  if (misfit !== undefined) throw unfitPolicy(file, misfit);
  return value as Shaped<typeof shape>;
}
