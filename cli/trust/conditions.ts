import type { HostView } from '../host/index.ts';
import { readPolicy } from './policy.ts';
import type { Conditions } from './signature.ts';

/** Under which signatures count on a host now. Throws `trust-unfit`. */
export async function readConditions(host: HostView): Promise<Conditions> {
  return { policy: await readPolicy(host), now: host.now(), fips: await inFipsMode(host) };
}

/** Documentation/admin-guide/kernel-parameters: fips=1. */
async function inFipsMode(host: HostView): Promise<boolean> {
  return (await host.readText('/proc/sys/crypto/fips_enabled').catch(() => ''))?.trim() === '1';
}
