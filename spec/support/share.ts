import { writeFileSync } from 'node:fs';

/**
 * What part of the processors the session of a process gets beside others: `nice` is -20 (most) to 19. The kernel gives each session the same
 * (sched(7), autogroups), and a run has a hundred of them, because each booted host has some of its own. The hosts mostly wait, one thing after
 * the other, so what computes gives way to them: the run ends with work for all processors. An emulated machine computes and waits: it goes first, as the
 * longest tier does.
 */
export function share(pid: number | 'self' | undefined, nice: number): void {
  try {
    writeFileSync(`/proc/${pid}/autogroup`, `${nice}`);
  } catch {
    // a kernel without autogroups, or a user who may not: it is slower
  }
}
