import type { Mark, Wiring } from '../../engines/types.ts';

/** The wiring of each engine that a generation is wired into, in the order in which they were named. */
export function wiringsOf(wiring: Wiring | undefined): Wiring[] {
  if (wiring === undefined) return [];
  const { others = [], ...first } = wiring;
  return [first, ...others];
}

/** As a record has it; undefined where nothing is wired. */
export function asRecorded([first, ...others]: readonly Wiring[]): Wiring | undefined {
  return first === undefined || others.length === 0 ? first : { ...first, others };
}

/** That of one engine. */
export function wiringFor(wiring: Wiring | undefined, engine: string): Wiring | undefined {
  return wiringsOf(wiring).find((each) => each.engine === engine);
}

/** The texts for the handlers, in the files of every engine. */
export function handlerMarks(wiring: Wiring | undefined): Mark[] {
  return wiringsOf(wiring).flatMap(({ marks }) => marks);
}

/** All texts, those of SELinux switches included. */
export function marksOf(wiring: Wiring | undefined): Mark[] {
  return wiringsOf(wiring).flatMap(({ marks, selinux }) => [...marks, ...(selinux?.marks ?? [])]);
}
