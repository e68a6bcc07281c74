/** Makes what clusters need, beside other tiers: started by scripts/wholeRun.ts. */
import { whenRunEnds } from '../../../scripts/ending.ts';
import { filesOf, tiers } from '../../../scripts/tiers.ts';
import { all, seed } from '../../support/sample.ts';
import { childrenOf } from '../run.ts';
import { nfdAvailable } from './nfd.ts';
import { openshiftAvailable } from './openshiftApi.ts';
import { kubeAvailable } from './programs.ts';

whenRunEnds(end);
const files = filesOf(tiers.find(({ name }) => name === 'cluster')!, seed, all);
const has = (...names: string[]) => names.some((name) => files.includes(`spec/cluster/${name}.spec.ts`));
await kubeAvailable();
if (has('helmStory')) await nfdAvailable();
if (has('chart', 'machineConfigs')) await openshiftAvailable();

/** The compilers are in groups of their own. */
function end(): void {
  for (const pid of descendantsOf(process.pid)) process.kill(pid, 'SIGKILL');
  process.exit(1);
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}
