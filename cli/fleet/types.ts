import type { NodeMessage, NodeRequest } from '../requests/index.ts';

/** What is kept of a pod of a DaemonSet. */
export interface PodRow {
  uid: string;
  node: string;
  /** The uid of its DaemonSet. */
  owner: string;
  /** Which revision it is of: the label controller-revision-hash. */
  hash: string;
  ready: boolean;
  created: string;
  /** It is being deleted. */
  ending: boolean;
  /** What its node reported, if its container came to that. */
  message: NodeMessage | undefined;
  /** What keeps it from that, or from being ready afterwards. */
  stage: { state: 'starting' | 'changing' | 'unknown'; reason: string } | undefined;
}

/** What is kept of a node. */
export interface NodeRow {
  name: string;
  /** As `kubectl get nodes` prints it: 'Ready', 'NotReady,SchedulingDisabled'. */
  status: string;
  /** It has the label of kata-sysext that says that it runs Kata. */
  labelled: boolean;
}

export interface DaemonSetRow {
  uid: string;
  name: string;
  desired: number;
  updated: number;
  ready: number;
}

export interface RevisionRow {
  /** The uid of its DaemonSet. */
  owner: string;
  hash: string;
  revision: number;
  /** undefined where its template has none that is understood. */
  request: NodeRequest | undefined;
}

/** All that is read of a cluster. */
export interface Cluster {
  namespace: string;
  daemonSets: DaemonSetRow[];
  revisions: RevisionRow[];
  nodes: Map<string, NodeRow>;
  pods: PodRow[];
  /** What the readiness probe of a pod said last, by the uid of the pod. */
  probes: Map<string, string>;
}

/** A node as `status --fleet` shows it. */
export interface FleetNode {
  name: string;
  daemonSet: string;
  revision?: number;
  /** Of the newest template. */
  current: boolean;
  release?: string;
  generation?: number;
  state: NodeMessage['state'] | 'starting' | 'changing' | 'lost' | 'unknown';
  ready: boolean;
  reason: string;
  code?: string;
  labelled: boolean;
}

export interface FleetRevision {
  daemonSet: string;
  revision: number;
  current: boolean;
  mode?: NodeRequest['mode'];
  /** Nodes that did what it requests, now or before; nodes where it failed; nodes that cannot have Kata do not count. */
  good: number;
  failed: number;
  /** It is not known to have been well on these. */
  unknown: number;
  goodEverywhere: boolean;
}

export interface FleetStatus {
  namespace: string;
  daemonSets: (Omit<DaemonSetRow, 'uid'> & {
    mode?: NodeRequest['mode'];
    revision?: number;
    /** The newest revision that was good on every node. */
    lastGood?: number;
    /** The command that leads back to it, where it is not the current one. */
    undo?: string;
  })[];
  nodes: FleetNode[];
  /** Nodes on which no DaemonSet of kata-sysext has a pod. */
  otherNodes: number;
  revisions: FleetRevision[];
}
