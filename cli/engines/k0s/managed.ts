import type { HostView } from '../../host/types.ts';
import { unsupported } from '../common/unsupported.ts';
import { atLeast, parseVersion } from '../common/version.ts';
import type { Instance } from '../types.ts';
import { dropIns, renderedCri } from './facts.ts';

const managedLine = '# k0s_managed=true';

/**
 * Whether k0s writes this file at each start; undefined: the file is not there. k0s up to 1.35 looks for the line anywhere, from 1.36 on for
 * the first line only (docs/facts/k0s.md#who-manages-the-file).
 */
function isManaged(text: string | undefined, version: string | undefined): boolean {
  if (text === undefined) return true;
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  const parsed = parseVersion(version);
  return parsed !== undefined && !atLeast(parsed, 1, 36) ? lines.includes(managedLine) : lines[0] === managedLine;
}

/** Throws where this k0s reads no drop-ins. */
export async function checkManaged(host: HostView, { configPath, version }: Instance): Promise<void> {
  const parsed = parseVersion(version);
  const reads = parsed === undefined || (atLeast(parsed, 1, 27) && !(parsed.major === 1 && parsed.minor === 27 && parsed.patch === 0));
  if (!reads)
    throw unsupported(configPath, `k0s is ${version}.`, 'k0s 1.27.1 or newer: earlier ones read no drop-ins.', 'Update k0s: k0s version');
  if (isManaged(await host.readText(configPath, 'configuration'), version)) return;
  throw unsupported(
    configPath,
    `${configPath} is not managed by k0s: its first line is not “${managedLine}”, so that k0s does not wire ${dropIns}.`,
    `A file that k0s writes itself. Settings of your own have their place in ${dropIns}, which k0s reads then.`,
    `Move your tables to ${dropIns}, remove ${configPath}, and restart k0s, which writes it again: k0s stop && k0s start`,
  );
}

/** What k0s writes for its containerd, and when. */
export function written(schema: 2 | 3, configPath: string): { writes: string; when: string } {
  return schema === 2
    ? { writes: renderedCri, when: `at each start, and after each change of ${dropIns}` }
    : { writes: configPath, when: 'at each start' };
}
