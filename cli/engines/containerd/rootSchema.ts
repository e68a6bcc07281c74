import { posix } from 'node:path';
import { parseDocument, valueAt } from '../../documents/toml/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { HostPath } from '../../host/types.ts';
import { atLeast, type Version } from '../common/version.ts';
import { saysNothing } from './checks.ts';
import type { Placement } from './edits.ts';
import type { ConfigSet } from './loader.ts';
import { rootTables } from './rootFile.ts';
import { oldPlugin } from './schema.ts';

/** What the tables below a root file are written in. `isWritten`: they have a `version` key of their own. */
export interface TableSchema {
  schema: number;
  isWritten: boolean;
}

/**
 * For a main file that says nothing yet, or is not there: a vendor's file or a generator may bring one later, whose schema nothing tells.
 *
 * 2.3 and newer take tables of schema 3 without a version beside a main file of any schema. 2.0 to 2.2 would drop the settings of a later
 * main file of schema 2 for them: they get tables of schema 2 with `version = 2`, which harm no main file and are left out beside one of
 * schema 3 (docs/facts/containerd.md#a-main-file-without-a-version). `previous`: what the recorded tables have, which stays; `comes`: what the
 * program is known to write that has yet to write the main file.
 */
export function schemaBelowRoot(version: Version | undefined, previous: number | undefined, comes: number | undefined): TableSchema {
  const isLatest = version !== undefined && atLeast(version, 2, 3);
  const schema = previous ?? comes ?? (isLatest ? 3 : 2);
  return { schema, isWritten: schema < 3 && !isLatest };
}

/** By the plugin that the recorded tables are in. */
export function schemaOfTables(text: string, path: HostPath): number {
  return valueAt(parseDocument(text, path).value, ['plugins', oldPlugin]) === undefined ? 3 : 2;
}

/** A later main file of schema 3 has yet to be met by the boot guard, which writes the tables again. */
export function laterSchemaFinding(
  set: ConfigSet,
  { method }: Placement,
  { isWritten }: TableSchema,
  engineVersion: string | undefined,
): Finding[] {
  if (method !== 'root file' || !isWritten || !saysNothing(set)) return [];
  const what = set.files.length === 0 ? 'is not there yet' : 'has no settings yet';
  return [
    {
      code: 'engine-config-mixed',
      level: set.files.length === 0 ? 'warning' : 'info',
      subject: set.main,
      found: `${set.main} ${what}, so that its schema is not known: the handlers are written in schema 2, and containerd ${engineVersion ?? ''} leaves them out beside a main file of schema 3`,
      needed: `${set.main}, or containerd 2.3 or newer, which takes both`,
      next: `if it comes with version = 3, the boot guard writes ${posix.basename(rootTables)} again at the next boot; or run the installation again then`,
    },
  ];
}
