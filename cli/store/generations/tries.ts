import type { GenerationRecord, Tries } from '../types.ts';

/** Of one deployment, since the generation was activated last. */
export function triesIn(record: GenerationRecord, deployment: string): Tries | undefined {
  return record.tries?.find((each) => each.deployment === deployment && each.since === (record.activated ?? ''));
}

/** The record with these tries of their deployment, or without any of it; what was counted before the last activation says nothing any more. */
export function withTries(record: GenerationRecord, deployment: string, own?: Tries): GenerationRecord {
  const { tries: known = [], ...rest } = record;
  const others = known.filter((each) => each.deployment !== deployment && each.since === (record.activated ?? ''));
  const tries = [...others, ...(own === undefined ? [] : [own])];
  return tries.length === 0 ? rest : { ...rest, tries };
}
