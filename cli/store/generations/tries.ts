import type { GenerationRecord, Tries } from '../types.ts';

/** Of all deployments. Early versions kept those of the last one only. */
export function triesOf({ tries }: { tries?: Tries[] | Tries }): Tries[] {
  return tries === undefined ? [] : [tries].flat();
}

/** Of one deployment, since the generation was activated last. */
export function triesIn(record: GenerationRecord, deployment: string): Tries | undefined {
  return triesOf(record).find((each) => each.deployment === deployment && each.since === (record.activated ?? ''));
}

/** The record with these tries of their deployment, or without any of it; what was counted before the last activation says nothing any more. */
export function withTries(record: GenerationRecord, deployment: string, own?: Tries): GenerationRecord {
  const { tries: _tries, ...rest } = record;
  const others = triesOf(record).filter((each) => each.deployment !== deployment && each.since === (record.activated ?? ''));
  const tries = [...others, ...(own === undefined ? [] : [own])];
  return tries.length === 0 ? rest : { ...rest, tries };
}
