import { exactOptional, lazy } from 'valibot';
import type { Step } from '../backends/stepKinds.ts';
import { count, digest, flag, instant, listOf, moment, permissions, plainName, type Shape, tableOf, text } from '../documents/shapes.ts';
import { kind } from '../steps/shapes.ts';
import type { Undo } from '../steps/types.ts';
import { edited, generationState, owner, replaced, wiring } from '../store/shapes/index.ts';
import { shapeOf } from './stepKinds.ts';
import type { Afterwards, Intent } from './types.ts';

/** What a step has to have depends on its kind. One that is not known here has none to check: `refuseUnknown` names it. */
const step = lazy((value) => {
  const name = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  const unknown: Shape<unknown> = tableOf({ kind });
  return shapeOf(name) ?? unknown;
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
