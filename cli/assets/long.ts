import { type Reader, readerOf } from './reader.ts';

/** Put in place by the build: what scripts/bundle.ts counts as long. */
declare const KATA_SYSEXT_LONG_ASSETS: Record<string, string> | undefined;

/** Licences, notices, the chart and completions: two thirds of all bytes, in a part of their own that few verbs load. */
export const longAssets: Reader = readerOf(typeof KATA_SYSEXT_LONG_ASSETS === 'undefined' ? undefined : KATA_SYSEXT_LONG_ASSETS);
