import { statSync } from 'node:fs';
import type { Attempt, Decision, Node, NodeReport, NodeRequest } from '../../../cli/requests/index.ts';
import type { Entry } from './journal.ts';
import type { RequestWork } from './simulatedHost.ts';

const engine = 'containerd 2.1.9';
const system = 'simulated';

/**
 * A stand-in for `apply` where a thousand nodes are too many for whole changes: what is decided, remembered and reported is the program's,
 * on files of the node. An installation is a note of it. The first one restarts the engine, a bad one twice.
 */
export function decidingWork(node: string, root: string, journal: Entry[], isBad: (request: NodeRequest) => boolean): RequestWork {
  let active: number | undefined;
  return async (requestFile, options) => {
    const from = Date.now();
    // With import(), as runInProcess does: one module of errors.
    const { openHost } = await import('../../../cli/host/index.ts');
    const requests = await import('../../../cli/requests/index.ts');
    const host = openHost(root, {});
    const request = await requests.readRequest(requestFile);
    const digest = requests.requestDigest(request);
    const attempts = await requests.readMemory(host);
    const readySince = new Date(options[options.indexOf('--ready-since') + 1] ?? '');
    const reportedAt = (await requests.readReport(host))?.report.at;
    const returned = requests.returnOf({ readySince, reportedAt, remembered: await requests.readAway(host) }, new Date());
    if (returned !== undefined) await requests.rememberAway(host, returned);
    const awayUntil = returned !== undefined && statSync(requestFile).mtime > new Date(returned) ? returned : undefined;
    const generations = Array.from({ length: active ?? 0 }, (_, index) => index + 1);
    const now: Node = { engine, system, active, generations, failed: [], isVacant: active === undefined, awayUntil };
    const decision = requests.decide(request, digest, attempts, now);
    const ended = endOf(decision, isBad(request), active);
    const { state, reason, restarts } = ended;
    active = ended.active;
    if (ended.outcome !== undefined) {
      const attempt: Attempt = { request: digest, retry: request.retry ?? 0, outcome: ended.outcome, reason, engine, system, restarts };
      await requests.remember(host, active === undefined ? attempt : { ...attempt, generation: active });
    }
    const report = await requests.writeReport(host, {
      ...{ request: digest, mode: request.mode, state, ready: requests.isReady(state), reason, restarts },
      ...(active !== undefined && { release: '4.1.0', generation: active }),
      ...{ handlers: active === undefined ? [] : ['kata-qemu'], engine, system },
      ...requests.knownOf(await requests.readMemory(host)),
      at: new Date().toISOString(),
    });
    await host.close();
    const began = ended.outcome !== undefined && ended.outcome !== 'held';
    journal.push({ node, request: digest, from, to: Date.now(), state, began, restarts });
    return { status: report.ready ? 0 : 1, stdout: JSON.stringify({ kind: 'NodeReport', ...report }), stderr: '' };
  };
}

interface Ending {
  state: NodeReport['state'];
  reason: string;
  restarts: number;
  /** The generation that is active then. */
  active: number | undefined;
  /** What is remembered; undefined: nothing. */
  outcome?: Attempt['outcome'];
}

function endOf(decision: Decision, isBad: boolean, active: number | undefined): Ending {
  if (decision.act === 'nothing') return { state: decision.state, reason: decision.reason, restarts: 0, active };
  if (decision.act === 'hold') return { state: 'held', reason: decision.reason, restarts: 0, active, outcome: 'held' };
  if (decision.act === 'observe') return { state: 'observed', reason: 'the host fits', restarts: 0, active };
  if (isBad) return { state: 'failed', reason: 'the CRI does not answer', restarts: 2, active, outcome: 'failed' };
  const reason = 'the node has what is requested';
  const next = decision.act === 'switch' ? decision.to : (active ?? 0) + 1;
  return { state: 'done', reason, restarts: active === undefined ? 1 : 0, active: next, outcome: 'done' };
}
