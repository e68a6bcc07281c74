import type { Owner } from '../store/index.ts';

/** Who brought the files of a generation, in words. */
export function ownerText({ kind, name }: Pick<Owner, 'kind' | 'name'>): string {
  if (kind === 'ignition') return 'Ignition';
  return name === undefined ? 'a MachineConfig' : `the MachineConfig ${name}`;
}
