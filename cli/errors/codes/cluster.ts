import { type CodeRow, row } from './row.ts';

/** Codes of what is asked of a Kubernetes cluster. */
export const clusterCodes: Record<string, CodeRow> = {
  'kubeconfig-unfit': row(
    2,
    'There is no kubeconfig, it cannot be understood, or another user could have written it: a kubeconfig names programs to run and files to send, so it has to belong to the one who uses it, or to root.',
  ),
  'cluster-unreachable': row(1, 'The API server did not answer in time, or the connection to it failed.'),
  'cluster-refused': row(1, 'The API server refused a request: the message has its status and names the right that is missing.'),
  'cluster-answer': row(1, 'The API server, or whatever answers at its address, sent what no API server sends, or too much of it.'),
  'node-pod-environment': row(
    1,
    'A step of the node pod does not find what the pod gives it: its token, the address of the API server, the name of its node, or the report of the step before.',
  ),
  'node-unproven': row(
    1,
    'The node does not list all handlers of the active generation, so it has no label that says it can run them. The kubelet starts the step again.',
  ),
};
