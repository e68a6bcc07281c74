import { exactOptional, lazy } from 'valibot';
import {
  amount,
  count,
  digest,
  flag,
  instant,
  listOf,
  mapOf,
  moment,
  permissions,
  plainName,
  type Shape,
  tableOf,
  text,
  textLike,
  valueLike,
  writtenPath,
} from '../documents/shapes.ts';
import type { Digest } from '../host/index.ts';
import { edited, generationState, owner, replaced, wiring } from '../store/shapes/index.ts';
import type { Afterwards, Intent, Step, Undo } from './types.ts';

const kind = text;
const path = writtenPath;
const unit = plainName;
const deadlineMs = amount;
const state = valueLike<Digest | 'absent'>(
  'a sha256 digest, or absent',
  (value) => typeof value === 'string' && /^(absent|sha256:[0-9a-f]{64})$/.test(value),
);
const moduleName = textLike('the name of a kernel module', /^[a-z0-9_]+$/);
const place = textLike('an absolute path, or absent', /^(absent$|\/)/);

const kinds = {
  folder: tableOf({ kind, path, mode: permissions }),
  'drop-folder': tableOf({ kind, path }),
  file: tableOf({
    kind,
    path,
    before: state,
    after: state,
    text: exactOptional(text),
    mode: exactOptional(permissions),
    foreign: flag,
    ours: listOf(text),
    temporary: path,
  }),
  pointer: tableOf({ kind, path, before: text, after: text, temporary: exactOptional(path) }),
  restart: tableOf({ kind, unit, dependents: listOf(unit), deadlineMs }),
  refresh: tableOf({
    kind,
    unit,
    systemd: count,
    before: state,
    after: state,
    others: mapOf(listOf(text), writtenPath),
    pending: listOf(text),
    mounts: listOf(path),
    wasActive: flag,
    stop: flag,
    deadlineMs,
  }),
  mount: tableOf({ kind, unit, path, before: place, after: place, shown: state, anew: flag, deadlineMs }),
  layer: tableOf({ kind, package: text, deadlineMs }),
  modules: tableOf({ kind, names: listOf(moduleName), deadlineMs }),
};

/** What a step has to have depends on its kind. One that is not known here has none to check: `refuseUnknown` names it. */
const step = lazy((value) => {
  const name = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  const known: Shape<unknown> = tableOf({ kind });
  return typeof name === 'string' && Object.hasOwn(kinds, name) ? kinds[name as Step['kind']] : known;
}) as Shape<Step>;

const records = listOf(
  tableOf({
    number: count,
    state: generationState,
    previous: exactOptional(count),
    wiring: exactOptional(wiring),
    edited: exactOptional(edited),
    activated: exactOptional(moment),
    pinned: exactOptional(flag),
    owner: exactOptional(owner),
    replaced: exactOptional(replaced),
    loadModules: exactOptional(flag),
    allowed: exactOptional(listOf(text)),
  }),
);

const afterwards: Shape<Afterwards> = tableOf({
  records,
  dropGenerations: listOf(count),
  dropPayloads: listOf(digest),
  purge: flag,
});

export const intent: Shape<Intent> = tableOf({
  schema: count,
  id: count,
  verb: text,
  program: text,
  started: moment,
  machine: text,
  deployment: text,
  boot: text,
  from: exactOptional(count),
  to: exactOptional(count),
  reason: exactOptional(text),
  cause: text,
  user: exactOptional(tableOf({ uid: count, name: exactOptional(text) })),
  made: flag,
  steps: listOf(step),
  afterwards,
});

/** What the kinds of steps note before they act; each notes some of it. */
const undo: Shape<Undo> = tableOf({
  existed: exactOptional(flag),
  empty: exactOptional(flag),
  begun: exactOptional(flag),
  mode: exactOptional(permissions),
  modifiedMs: exactOptional(instant),
  parentMs: exactOptional(instant),
  parentNames: exactOptional(listOf(plainName)),
});

export const stepEntry: Shape<{ schema: number; index: number; undo: Undo }> = tableOf({ schema: count, index: count, undo });

export const commitEntry: Shape<{ schema: number; at: string }> = tableOf({ schema: count, at: moment });
