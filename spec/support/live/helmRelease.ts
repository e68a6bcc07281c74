import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { goProgram } from '../../lab/goPrograms.ts';
import type { KubeLab } from '../../lab/kube/index.ts';
import type { Ran } from '../../lab/run.ts';
import type { Fleet } from './nodePods.ts';

const name = 'kata-sysext';

/** The release `kata-sysext` in the hands of Helm, as an administrator has it. */
export interface HelmRelease {
  /** Ends with 0, or the spec fails. */
  run(verb: string, ...words: string[]): Promise<Ran>;
  /** With the chart and the values of `fleet.chart`. */
  with(verb: 'install' | 'upgrade', files: Awaited<ReturnType<Fleet['chart']>>, ...words: string[]): Promise<Ran>;
  /** Goes on beside what follows. */
  begin(verb: string, ...words: string[]): Begun;
  stop(): Promise<void>;
}

export interface Begun {
  ended: Promise<Ran>;
  /** As Ctrl-C does. */
  interrupt(): void;
}

export async function helmRelease(lab: KubeLab): Promise<HelmRelease> {
  const program = await goProgram('helm');
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-helm-'));
  const env = { HOME: folder, KUBECONFIG: lab.kubeconfig };
  const run = async (verb: string, ...words: string[]) => lab.run([program, verb, name, ...words], { env });
  return {
    run,
    with: (verb, { chart, values }, ...words) => run(verb, chart, '-f', values, ...words),
    begin: (verb, ...words) => {
      const file = join(folder, 'pid');
      const argv = ['sh', '-c', 'echo $$ > "$0"; exec "$@"', file, program, verb, name, ...words];
      return {
        ended: lab.run(argv, { env, allowFailure: true }),
        interrupt: () => void process.kill(Number(readFileSync(file, 'utf8')), 'SIGINT'),
      };
    },
    stop: async () => rmSync(folder, { recursive: true, force: true }),
  };
}
