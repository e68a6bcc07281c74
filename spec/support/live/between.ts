import { sample } from '../sample.ts';

type Holds = (name: string) => Promise<void>;

/** What happens to a node whose engine another program renders. */
export interface Between {
  /** The program renders again. */
  again(): Promise<void>;
  boot(): Promise<void>;
  /** Another version of the program runs, for which `holds` is asked, and then the one before again. */
  version(holds: Holds): Promise<void>;
}

const names = ['again', 'boot', 'version'] as const;

/** Between two steps of a round: one of the three, which the seed draws for each gap, and with `npm run test:all` each. `holds` is true after it. */
export async function between(events: Between, gap: string, holds: Holds, drawn = sample(names, 1, gap)): Promise<void> {
  for (const name of drawn) {
    await events[name]((more) => holds(`${gap}-${more}`));
    await holds(`${gap}-${name}`);
  }
}

/** All three, whatever the seed is. */
export function allBetween(events: Between, gap: string, holds: Holds): Promise<void> {
  return between(events, gap, holds, [...names]);
}
