import { longAssets } from '../../assets/long.ts';
import type { Generated } from '../types.ts';

export const chartPlace = 'templates/kubernetes';

/** The chart's files by their paths in it. */
export function chartFiles(): Generated[] {
  return longAssets.assetsBelow(chartPlace).map((name) => ({ name: name.slice(chartPlace.length + 1), text: longAssets.asset(name) }));
}
