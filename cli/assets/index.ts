import { readerOf } from './reader.ts';

/** Put in place by the build (`scripts/build.ts`): repo-relative names to texts. Absent when run from the sources. */
declare const KATA_SYSEXT_ASSETS: Record<string, string> | undefined;

/** Put in place by the build: helpers/kvm/probe.c compiled, in base64, by Node's name of the architecture. */
declare const KATA_SYSEXT_KVM_PROBES: Record<string, string> | undefined;

/** What any verb may need; licences, notices, the chart and completions are in long.ts. */
export const { asset, fill } = readerOf(typeof KATA_SYSEXT_ASSETS === 'undefined' ? undefined : KATA_SYSEXT_ASSETS);

/**
 * The program that asks KVM to run a guest, for this process's architecture. undefined from the sources, where nothing is compiled, and in a
 * build by a machine that lacks the compiler.
 */
export function kvmProbe(): Buffer | undefined {
  if (typeof KATA_SYSEXT_KVM_PROBES === 'undefined') return undefined;
  const text = KATA_SYSEXT_KVM_PROBES[process.arch];
  return text === undefined ? undefined : Buffer.from(text, 'base64');
}
