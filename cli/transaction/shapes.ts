import { exactOptional, lazy } from 'valibot';
import type { Step } from '../backends/stepKinds.ts';
import {
  count,
  digest,
  flag,
  instant,
  listOf,
  moment,
  permissions,
  plainName,
  type Shape,
  type Shaped,
  tableOf,
  text,
} from '../documents/shapes.ts';
import { kind } from '../steps/shapes.ts';
import type { Undo } from '../steps/types.ts';
import { editedShape, ownerShape, replacedShape, stateShape, wiringShape } from '../store/types.ts';
import { shapeOf } from './stepKinds.ts';

/** What a step has to have depends on its kind. One that is not known here has none to check: `refuseUnknown` names it. */
const step = lazy((value) => {
  const name = typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
  const unknown: Shape<unknown> = tableOf({ kind });
  return shapeOf(name) ?? unknown;
}) as Shape<Step>;

/** What happens after the commit: plain data, so that recover can finish it. */
export type Afterwards = Shaped<typeof afterwards>;
const afterwards = tableOf({
  records: listOf(
    tableOf({
      number: count,
      state: stateShape,
      previous: exactOptional(count),
      wiring: exactOptional(wiringShape),
      edited: exactOptional(editedShape),
      activated: exactOptional(moment),
      pinned: exactOptional(flag),
      owner: exactOptional(ownerShape),
      replaced: exactOptional(replacedShape),
      loadModules: exactOptional(flag),
      allowed: exactOptional(listOf(text)),
    }),
  ),
  dropGenerations: listOf(count),
  dropPayloads: listOf(digest),
  /** Remove everything of kata-sysext below /var, history included. */
  purge: flag,
});

export type Intent = Shaped<typeof intent>;
export const intent = tableOf({
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
  /** Why the boot guard made the change; undefined for a change that a command requested. */
  reason: exactOptional(text),
  /** Who asked for it, and by what. */
  cause: text,
  user: exactOptional(tableOf({ uid: count, name: exactOptional(text) })),
  /** True when the generation `to` was made by this change and goes away with it. */
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

export type StepEntry = Shaped<typeof stepEntry>;
export const stepEntry = tableOf({ schema: count, index: count, undo });

export const commitEntry = tableOf({ schema: count, at: moment });
