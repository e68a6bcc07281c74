import { exactOptional } from 'valibot';
import {
  count,
  digest,
  flag,
  listOf,
  mapOf,
  moment,
  oneOf,
  permissions,
  plainName,
  type Shape,
  tableOf,
  text,
  valueLike,
  writtenPath,
} from '../../documents/shapes.ts';
import type { Effect, Wiring } from '../../engines/types.ts';
import type { Digest, HostPath } from '../../host/index.ts';
import type { GenerationRecord, GenerationState, Owner, Replaced, Tries } from '../types.ts';

const effect = tableOf({
  by: oneOf('restart', 'reload', 'itself'),
  unit: exactOptional(plainName),
  program: exactOptional(writtenPath),
  watches: exactOptional(writtenPath),
}) as Shape<unknown> as Shape<Effect>;

export const wiring: Shape<Wiring> = tableOf({
  engine: text,
  configPath: writtenPath,
  unit: exactOptional(plainName),
  effect: exactOptional(effect),
  binary: exactOptional(writtenPath),
  method: text,
  handlers: listOf(tableOf({ name: text, shim: writtenPath, configuration: writtenPath })),
  marks: listOf(tableOf({ path: writtenPath, kind: oneOf('file', 'range'), text, or: exactOptional(listOf(text)) })),
  folders: listOf(writtenPath),
  key: digest,
});

export const edited: Shape<Record<HostPath, Digest>> = mapOf(digest, writtenPath);

export const generationState: Shape<GenerationState> = oneOf('preparing', 'staged', 'active', 'blessed', 'retired', 'failed');

export const owner: Shape<Owner> = tableOf({
  kind: oneOf('ignition', 'machineconfig'),
  name: exactOptional(text),
  files: listOf(writtenPath),
  archive: exactOptional(tableOf({ name: text, digest, url: exactOptional(text) })),
});

const digestOrAbsent = valueLike<Digest | 'absent'>(
  'a sha256 digest, or absent',
  (value) => typeof value === 'string' && /^(absent|sha256:[0-9a-f]{64})$/.test(value),
);

export const replaced: Shape<Replaced> = tableOf({
  package: text,
  shim: writtenPath,
  handlers: listOf(text),
  files: listOf(tableOf({ path: writtenPath, digest, mode: permissions, after: digestOrAbsent })),
});

const tries: Shape<Tries> = tableOf({ deployment: text, since: text, boots: count, boot: text });

export const generationRecord: Shape<GenerationRecord> = tableOf({
  schema: count,
  state: generationState,
  previous: exactOptional(count),
  activated: exactOptional(moment),
  wiring: exactOptional(wiring),
  edited: exactOptional(edited),
  pinned: exactOptional(flag),
  owner: exactOptional(owner),
  replaced: exactOptional(replaced),
  loadModules: exactOptional(flag),
  allowed: exactOptional(listOf(text)),
  wirings: exactOptional(mapOf(tableOf({ wiring: exactOptional(wiring), edited: exactOptional(edited) }))),
  blessed: exactOptional(tableOf({ at: moment, deployment: text })),
  tries: exactOptional(listOf(tries)),
});
