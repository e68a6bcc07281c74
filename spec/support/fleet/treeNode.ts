import { existsSync, readFileSync } from 'node:fs';
import { type NodeReport, type NodeRequest, requestDigest, requestOf } from '../../../cli/requests/index.ts';
import type { InProcessTree } from '../trees/inProcessTree.ts';
import type { Entry } from './journal.ts';
import type { RequestWork } from './simulatedHost.ts';

/** The whole of `apply` on a tree. `isBad`: a request whose change is undone in its last moment. */
export function treeWork(node: string, tree: InProcessTree, journal: Entry[], isBad: (request: NodeRequest) => boolean): RequestWork {
  return async (requestFile, options, env) => {
    const asked = requestOf(readFileSync(requestFile, 'utf8'), requestFile);
    const request = requestDigest(asked);
    const [from, before] = [Date.now(), rememberedOf(tree, request)];
    const failing: Record<string, string> = isBad(asked) ? { KATA_SYSEXT_FAILPOINT: 'commit/before=error' } : {};
    const ran = await tree.run(['apply', requestFile, ...options], { ...env, ...failing });
    const { state = 'failed', restarts = 0 } = JSON.parse(ran.stdout) as Partial<Pick<NodeReport, 'state' | 'restarts'>>;
    const after = rememberedOf(tree, request);
    const began = after !== before && !after?.includes('"outcome":"held"');
    journal.push({ node, request, from, to: Date.now(), state, began, restarts });
    return ran;
  };
}

/** The attempt of a request in the node's own file, as a text. */
function rememberedOf(tree: InProcessTree, request: string): string | undefined {
  const path = tree.path('var/lib/kata-sysext/requests.json');
  if (!existsSync(path)) return undefined;
  const { attempts = [] } = JSON.parse(readFileSync(path, 'utf8')) as { attempts?: { request: string }[] };
  const found = attempts.find((attempt) => attempt.request === request);
  return found && JSON.stringify(found);
}
