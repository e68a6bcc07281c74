import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface Measured {
  seconds: number;
  /** User and system time of the process and its children, seconds. */
  cpu: number;
  /** Highest sum of resident memory over the process tree, bytes, sampled every 20 ms. */
  peakBytes: number;
}

/** Runs a command to its end, its output thrown away. Throws when it fails. */
export async function measure(argv: string[], env: Record<string, string> = {}): Promise<Measured> {
  const started = process.hrtime.bigint();
  const child = spawn(argv[0]!, argv.slice(1), { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, ...env } });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  let peakBytes = 0;
  let ticks = 0;
  const timer = setInterval(() => {
    peakBytes = Math.max(peakBytes, treeMemory(child.pid!));
    ticks = Math.max(ticks, cpuTicks(child.pid!));
  }, 20);
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve));
  clearInterval(timer);
  if (code !== 0) throw new Error(`${argv.join(' ')} ended with ${code}: ${said}`);
  return { seconds: Number(process.hrtime.bigint() - started) / 1e9, cpu: ticks / 100, peakBytes };
}

export function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)]!;
}

/** Prints how many times as long ours takes as the floor that was measured beside it. */
export function ratio(title: string, ours: Measured[], floor: Measured[]): void {
  const pairs = ours.map((each, index) => each.seconds / floor[index]!.seconds);
  console.log(`${title}: ${median(pairs).toFixed(2)} (median ${seconds(ours)} s against ${seconds(floor)} s, ${pairs.length} pairs)`);
}

export function seconds(runs: Measured[]): string {
  return median(runs.map((run) => run.seconds)).toFixed(2);
}

function treeMemory(pid: number): number {
  return [pid, ...childrenOf(pid)].reduce((sum, each) => sum + resident(each), 0);
}

function childrenOf(pid: number): number[] {
  try {
    const own = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
      .split(' ')
      .filter((word) => word !== '')
      .map(Number);
    return own.flatMap((child) => [child, ...childrenOf(child)]);
  } catch {
    return [];
  }
}

function resident(pid: number): number {
  try {
    return Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
  } catch {
    return 0;
  }
}

function cpuTicks(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ');
    return Number(fields[11]) + Number(fields[12]) + Number(fields[13]) + Number(fields[14]);
  } catch {
    return 0;
  }
}
