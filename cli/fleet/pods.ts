import { listAt, tableAt, textAt } from '../cluster/values.ts';
import { oneLine, readFleetMessage } from '../requests/index.ts';
import type { PodRow } from './types.ts';

/** Of a Pod; undefined where it is for no node or of no DaemonSet. */
export function podRow(pod: unknown): PodRow | undefined {
  const node = textAt(pod, 'spec', 'nodeName') ?? meantNode(pod) ?? '';
  const owner = controllerOf(pod);
  const uid = textAt(pod, 'metadata', 'uid');
  if (node === '' || owner === undefined || uid === undefined) return undefined;
  const containers = listAt(pod, 'status', 'initContainerStatuses');
  const message = containers
    .flatMap((each) => [textAt(each, 'state', 'terminated', 'message'), textAt(each, 'lastState', 'terminated', 'message')])
    .map((text) => (text === undefined ? undefined : readFleetMessage(text)))
    .findLast((found) => found !== undefined);
  return {
    uid,
    node,
    owner,
    hash: textAt(pod, 'metadata', 'labels', 'controller-revision-hash') ?? '',
    ready: listAt(pod, 'status', 'conditions').some((each) => textAt(each, 'type') === 'Ready' && textAt(each, 'status') === 'True'),
    created: textAt(pod, 'metadata', 'creationTimestamp') ?? '',
    ending: textAt(pod, 'metadata', 'deletionTimestamp') !== undefined,
    message,
    stage: stageOf(pod, containers),
  };
}

/** The DaemonSet's controller names the node of a pod that is not placed yet. */
function meantNode(pod: unknown): string | undefined {
  const affinity = ['spec', 'affinity', 'nodeAffinity', 'requiredDuringSchedulingIgnoredDuringExecution', 'nodeSelectorTerms'];
  const fields = listAt(pod, ...affinity).flatMap((term) => listAt(term, 'matchFields'));
  const [name] = listAt(
    fields.find((field) => textAt(field, 'key') === 'metadata.name'),
    'values',
  );
  return typeof name === 'string' ? name : undefined;
}

function controllerOf(object: unknown): string | undefined {
  const owner = listAt(object, 'metadata', 'ownerReferences').find((each) => textAt(each, 'kind') === 'DaemonSet');
  return textAt(owner, 'uid');
}

/** The first container, in their order, that has not ended well. undefined where all run as they should. */
function stageOf(pod: unknown, init: unknown[]): PodRow['stage'] {
  for (const each of [...init, ...listAt(pod, 'status', 'containerStatuses')]) {
    const name = textAt(each, 'name') ?? '';
    const waiting = tableAt(each, 'state', 'waiting');
    if (waiting !== undefined) {
      const words = [textAt(waiting, 'reason'), textAt(waiting, 'message')].filter((text) => text !== undefined && text !== '');
      // Behind a container that runs, the others only wait for it.
      return { state: 'starting', reason: oneLine(`container ${name} waits${words.length === 0 ? '' : `: ${words.join(', ')}`}`) };
    }
    if (init.includes(each) && tableAt(each, 'state', 'running') !== undefined)
      return { state: 'changing', reason: `container ${name} runs` };
  }
  if (textAt(pod, 'status', 'phase') !== 'Pending') return undefined;
  const placed = listAt(pod, 'status', 'conditions').find((each) => textAt(each, 'status') === 'False');
  return { state: 'starting', reason: oneLine(textAt(placed, 'message') ?? 'the kubelet has not begun with its pod') };
}
