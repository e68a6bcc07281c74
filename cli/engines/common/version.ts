import type { HostPath, HostView } from '../../host/types.ts';

export interface Version {
  major: number;
  minor: number;
  /** undefined where only the series is known ('1.7'). */
  patch?: number | undefined;
}

/** '1.6.20~ds1' or '2.1.9+unknown' as numbers; undefined when the text is no version. */
export function parseVersion(text: string | undefined): Version | undefined {
  const [found, major, minor, patch] = /^v?(\d+)\.(\d+)(?:\.(\d+))?/.exec(text ?? '') ?? [];
  if (found === undefined) return undefined;
  return { major: Number(major), minor: Number(minor), patch: patch === undefined ? undefined : Number(patch) };
}

export function atLeast(version: Version, major: number, minor: number): boolean {
  return version.major > major || (version.major === major && version.minor >= minor);
}

/** What `BINARY --version` says: all engines write it as the third word, Docker with a comma. undefined when it says nothing of the kind. */
export async function versionOf(host: HostView, binary: HostPath): Promise<string | undefined> {
  const told = await host.run(binary, ['--version'], { timeoutMs: 10_000 }).catch(() => undefined);
  return /^\S+ \S+ v?(?<version>\d+\.\d+[^\s~+,]*)/.exec(told?.stdout ?? '')?.groups?.['version'];
}
