import type { NodeReport } from '../../cli/requests/index.ts';

/** What a node says that has what is requested. */
export function nodeReport(more: Partial<NodeReport> = {}): NodeReport {
  return {
    request: `sha256:${'a'.repeat(64)}`,
    mode: 'install',
    state: 'done',
    ready: true,
    reason: 'the node has what is requested',
    release: '4.1.0',
    generation: 2,
    handlers: ['kata-qemu'],
    engine: 'containerd 2.1.9',
    system: 'x',
    restarts: 1,
    at: '2026-11-30T00:00:00.000Z',
    ...more,
  };
}
