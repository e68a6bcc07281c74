import { asset, assetsBelow } from '../../assets/index.ts';
import type { Generated } from '../types.ts';

export const chartPlace = 'templates/kubernetes';

/** The chart's files by their paths in it. */
export function chartFiles(): Generated[] {
  return assetsBelow(chartPlace).map((name) => ({ name: name.slice(chartPlace.length + 1), text: asset(name) }));
}
