import { posix } from 'node:path';
import { isTable, parseDocument, type TomlTable } from '../../../documents/toml/index.ts';
import { KataError } from '../../../errors/index.ts';
import type { HostPath, HostView } from '../../../host/index.ts';
import { userDropInName } from './places.ts';
import { withoutDeployed } from './texts.ts';
import type { EngineParts } from './types.ts';

/**
 * What drop-ins in a release give to the engine: they go with the release. Throws `adopt-unproven` where others wrote settings into the one of
 * kata-deploy, and as `withoutDeployed`.
 */
export async function importedParts(
  host: HostView,
  paths: readonly HostPath[],
): Promise<Pick<EngineParts, 'handlers' | 'keys' | 'settings'>> {
  const found: Pick<EngineParts, 'handlers' | 'keys' | 'settings'> = { handlers: [], keys: [], settings: [] };
  for (const path of paths) {
    const text = await host.readText(path, 'configuration');
    if (text === undefined) continue;
    if (userDropInName.test(posix.basename(path))) {
      found.keys.push(...usersKeys(text, path));
      found.settings.push({ path });
      continue;
    }
    const cleaned = withoutDeployed(text, path, '');
    if (cleaned.text !== 'absent' && Object.keys(parseDocument(cleaned.text, path).value).length > 0) throw othersIn(path);
    found.handlers.push(...cleaned.handlers);
    found.keys.push(...cleaned.keys);
  }
  return found;
}

/** Each setting of the drop-in that the user gave to the chart. */
export function usersKeys(text: string, path: HostPath): string[][] {
  return leavesOf(parseDocument(text, path).value, []);
}

function leavesOf(table: TomlTable, above: string[]): string[][] {
  return Object.entries(table).flatMap(([key, value]) =>
    isTable(value) && Object.keys(value).length > 0 ? leavesOf(value, [...above, key]) : [[...above, key]],
  );
}

function othersIn(path: HostPath): KataError {
  return new KataError('adopt-unproven', {
    subject: path,
    found: `${path} goes with the release of kata-deploy, and others wrote settings into it`,
    needed: 'a file of their own for them',
    next: `move them out of ${path} into a file that the engine reads, restart the engine, and try again`,
  });
}
