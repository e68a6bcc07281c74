import assert from 'node:assert/strict';
import { differences } from '../judges/fingerprint.ts';
import type { TreeHost } from './treeHost.ts';

/** A verb that has to be refused with this status and code, and not a byte of the tree is another; gives the error. */
export async function untouched(
  host: TreeHost,
  args: string[],
  status: number,
  code: string,
  leaveOut: string[] = [],
): Promise<Record<string, unknown>> {
  const before = host.fingerprint(leaveOut);
  const error = await host.json(args, status);
  assert.equal(error['code'], code, JSON.stringify(error));
  assert.deepEqual(differences(before, host.fingerprint(leaveOut)), []);
  return error;
}
