/** Makes what clusters need, beside other tiers: started by scripts/wholeRun.ts. */
import { childrenOf } from '../run.ts';
import { nfdAvailable } from './nfd.ts';
import { openshiftAvailable } from './openshiftApi.ts';
import { kubeAvailable } from './programs.ts';

process.on('SIGTERM', end).on('SIGINT', end);
await kubeAvailable();
await nfdAvailable();
await openshiftAvailable();

/** The compilers are in groups of their own. */
function end(): void {
  for (const pid of descendantsOf(process.pid)) process.kill(pid, 'SIGKILL');
  process.exit(1);
}

function descendantsOf(pid: number): number[] {
  return childrenOf(pid).flatMap((child) => [child, ...descendantsOf(child)]);
}
