import { createHash } from 'node:crypto';
import type { HostView } from '../../host/types.ts';
import { unsupported } from '../common/unsupported.ts';
import { atLeast, parseVersion } from '../common/version.ts';
import type { Instance } from '../types.ts';
import { dropIns, renderedCri } from './facts.ts';

const managedLine = '# k0s_managed=true';

/** The MD5 of the file that k0s before 1.27 wrote, which has no such line: k0s up to 1.35 knows it by this. */
const earliest = '59039b43303742a5496b13fd57f9beec';

/**
 * Whether k0s writes this file at each start; undefined: the file is not there. k0s up to 1.35 looks for the line anywhere, from 1.36 on for
 * the first line only (docs/facts/k0s.md#who-manages-the-file).
 */
function isManaged(text: string | undefined, isOlder: boolean): boolean {
  if (text === undefined) return true;
  const lines = text.split('\n').map((line) => line.replace(/\r$/, ''));
  if (!isOlder) return lines[0] === managedLine;
  return lines.includes(managedLine) || createHash('md5').update(text).digest('hex') === earliest;
}

/** Throws where this k0s reads no drop-ins. */
export async function checkManaged(host: HostView, { configPath, version }: Instance): Promise<void> {
  const parsed = parseVersion(version);
  const reads = parsed === undefined || (atLeast(parsed, 1, 27) && !(parsed.major === 1 && parsed.minor === 27 && parsed.patch === 0));
  if (!reads)
    throw unsupported(configPath, `k0s is ${version}.`, 'k0s 1.27.1 or newer: earlier ones read no drop-ins.', 'Update k0s: k0s version');
  const isOlder = parsed !== undefined && !atLeast(parsed, 1, 36);
  if (isManaged(await host.readText(configPath, 'configuration'), isOlder)) return;
  const sign = isOlder ? `it has no line “${managedLine}”` : `its first line is not “${managedLine}”`;
  throw unsupported(
    configPath,
    `The administrator owns ${configPath}: ${sign}, so that k0s${version === undefined ? '' : ` ${version}`} never writes it, and its containerd gets nothing from ${dropIns}.`,
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
