import { writeFileSync } from 'node:fs';

/**
 * Gives the session of a process a larger share of the processors. What computes all the time, as an emulated machine or the unit tier does,
 * runs beside a hundred sessions of booted hosts that mostly wait. The kernel gives each session the same share (sched(7), autogroups): of
 * that it would get so little that the run waits for it at the end.
 */
export function favour(pid: number | 'self' | undefined): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, '-5');
  } catch {
    // a kernel without autogroups, or a user who may not: it is slower
  }
}
