import assert from 'node:assert/strict';
import { type Attempt, type Decision, decide, type Node, type NodeRequest, requestDigest, returnOf } from '../../cli/requests/index.ts';

const node: Node = { engine: 'containerd 2.1.9', system: 'fedora-43', active: 1, generations: [1], failed: [], isVacant: false };
const wanted = (release: string, more: Partial<NodeRequest> = {}): NodeRequest => ({
  apiVersion: 'kata-sysext/v1',
  kind: 'Request',
  mode: 'install',
  bundles: [{ from: `kata@${release}` }],
  ...more,
});
const [v1, v2] = [wanted('4.1.0'), wanted('4.2.0')];
const gone = wanted('', { mode: 'uninstall', bundles: [] });
const attempt = (request: NodeRequest, more: Partial<Attempt> = {}): Attempt => ({
  request: requestDigest(request),
  retry: 0,
  outcome: 'done',
  engine: node.engine,
  system: node.system,
  restarts: 1,
  ...more,
});
const back = '2026-11-30T12:00:00.000Z';
const failed = { outcome: 'failed', code: 'gate-failed', reason: 'the CRI does not answer' } as const;

const at = (minute: number) => new Date(Date.UTC(2026, 10, 30, 12) + minute * 60_000);

function did(decision: Decision): string {
  return decision.act === 'switch' ? `switch ${decision.to}` : decision.act === 'nothing' ? decision.state : decision.act;
}

describe('what a node does about a request', () => {
  const rows: [what: string, request: NodeRequest, attempts: Attempt[], node: Partial<Node>, does: string][] = [
    ['a first one', v1, [], { active: undefined, generations: [] }, 'install'],
    ['the one that it has, for drift is repaired', v1, [attempt(v1, { generation: 1 })], {}, 'install'],
    ['the next one', v2, [attempt(v1, { generation: 1 })], {}, 'install'],
    ['one that failed here', v2, [attempt(v1), attempt(v2, failed)], {}, 'failed'],
    ['the same with a higher retry', { ...v2, retry: 1 }, [attempt(v2, failed)], {}, 'install'],
    ['the same with the same retry', { ...v2, retry: 1 }, [attempt(v2, { ...failed, retry: 1 })], {}, 'failed'],
    ['the same on another engine', v2, [attempt(v2, failed)], { engine: 'containerd 2.2.0' }, 'install'],
    ['the same on an engine whose version is not known now', v2, [attempt(v2, failed)], { engine: 'containerd' }, 'failed'],
    ['the same where no engine answers now', v2, [attempt(v2, failed)], { engine: 'none' }, 'failed'],
    ['the same where the version was not known then', v2, [attempt(v2, { ...failed, engine: 'containerd' })], {}, 'failed'],
    ['the same on another OS', v2, [attempt(v2, failed)], { system: 'fedora-44' }, 'install'],
    ['another one after a failure', wanted('4.3.0'), [attempt(v2, failed)], {}, 'held'],
    ['another one after a failure, with a higher retry', wanted('4.3.0', { retry: 1 }), [attempt(v2, failed)], {}, 'install'],
    ['the earlier one after a failure', v1, [attempt(v1, { generation: 1 }), attempt(v2, failed)], {}, 'install'],
    [
      'the earlier one, whose generation is here',
      v1,
      [attempt(v1, { generation: 1 }), attempt(v2, { generation: 2 })],
      { active: 2, generations: [1, 2] },
      'switch 1',
    ],
    [
      'the earlier one, whose generation is gone',
      v1,
      [attempt(v1, { generation: 1 }), attempt(v2, { generation: 2 })],
      { active: 2, generations: [2] },
      'install',
    ],
    ['one in the middle of which the node went down', v2, [attempt(v1), attempt(v2, { outcome: 'began' })], {}, 'install'],
    ['one in the middle of which the node went down twice', v2, [attempt(v2, { outcome: 'began', interrupted: 1 })], {}, 'failed'],
    ['the same with a higher retry', { ...v2, retry: 1 }, [attempt(v2, { outcome: 'began', interrupted: 1 })], {}, 'install'],
    ['another one after that', v1, [attempt(v2, { outcome: 'began', interrupted: 1 })], {}, 'held'],
    ['a new one, on a node that was away', v2, [attempt(v1)], { awayUntil: back }, 'hold'],
    ['a first one, on a node that was away', v1, [], { awayUntil: back, active: undefined }, 'hold'],
    ['a new one with a higher retry, on a node that was away', { ...v2, retry: 5 }, [attempt(v1)], { awayUntil: back }, 'hold'],
    ['the one that is held, later', v2, [attempt(v1), attempt(v2, { outcome: 'held' })], {}, 'held'],
    ['the one that is held, with a higher retry', { ...v2, retry: 1 }, [attempt(v2, { outcome: 'held' })], { awayUntil: back }, 'install'],
    ['the one after it', wanted('4.3.0'), [attempt(v1), attempt(v2, { outcome: 'held' })], {}, 'install'],
    ['the one after it, where an earlier one failed', wanted('4.3.0'), [attempt(v1, failed), attempt(v2, { outcome: 'held' })], {}, 'held'],
    ['an earlier one, on a node that was away', v1, [attempt(v1), attempt(v2)], { awayUntil: back }, 'install'],
    ['the one in the middle of which it went down', v2, [attempt(v2, { outcome: 'began' })], { awayUntil: back }, 'install'],
    [
      'a failed one with a higher retry, on a node that was away',
      { ...v2, retry: 1 },
      [attempt(v2, failed)],
      { awayUntil: back },
      'install',
    ],
    ['uninstall, on a node that was away', gone, [attempt(v1)], { awayUntil: back }, 'uninstall'],
    ['observe, after a failure too', wanted('4.2.0', { mode: 'observe' }), [attempt(v2, failed)], {}, 'observe'],
    ['uninstall', gone, [attempt(v1)], {}, 'uninstall'],
    ['uninstall, of a node with something left, and nothing active', gone, [], { active: undefined }, 'uninstall'],
    [
      'one whose generation a boot went back from',
      v2,
      [attempt(v1), attempt(v2, { generation: 2 })],
      { failed: [2], generations: [1, 2] },
      'failed',
    ],
    [
      'the same with a higher retry',
      { ...v2, retry: 1 },
      [attempt(v2, { generation: 2 })],
      { failed: [2], generations: [1, 2] },
      'install',
    ],
    ['the next one after a boot went back', v1, [attempt(v2, { generation: 2 })], { failed: [2], generations: [1, 2] }, 'held'],
    ['uninstall, where nothing is installed', gone, [], { active: undefined, isVacant: true }, 'done'],
    ['uninstall, which failed', gone, [attempt(v1), attempt(gone, failed)], {}, 'failed'],
    ['uninstall, which failed, with a higher retry', { ...gone, retry: 1 }, [attempt(v1), attempt(gone, failed)], {}, 'uninstall'],
    ['uninstall, which failed before an install', gone, [attempt(gone, failed), attempt(v1)], {}, 'uninstall'],
    ['uninstall, which failed before an install that failed', gone, [attempt(gone, failed), attempt(v1, failed)], {}, 'failed'],
    ['an install that failed before another one', v2, [attempt(v2, failed), attempt(v1)], {}, 'failed'],
    ['uninstall, after a failure', gone, [attempt(v2, failed)], {}, 'uninstall'],
  ];
  for (const [what, request, attempts, differs, does] of rows)
    it(`${what}: ${does}`, () => {
      const decision = decide(request, requestDigest(request), attempts, { ...node, ...differs });

      assert.equal(did(decision), does);
    });

  it('is the same request in another order of keys, and with another retry', () => {
    const turned = Object.fromEntries(Object.entries({ ...v1, retry: 7 }).reverse()) as unknown as NodeRequest;

    assert.equal(requestDigest(turned), requestDigest(v1));
    assert.notEqual(requestDigest(v1), requestDigest(v2));
    assert.notEqual(requestDigest(v1), requestDigest({ ...v1, settings: ['default_memory=4096'] }));
  });
});

describe('a node that was away', () => {
  const text = (minute: number) => at(minute).toISOString();
  const rows: [
    what: string,
    readySince: number | undefined,
    reportedAt: number | undefined,
    remembered: number | undefined,
    until?: number,
  ][] = [
    ['came back after its last report', 8, 3, undefined, 8],
    ['is back later than now: a clock was wrong', 11, 3, undefined],
    ['is back later than now, and is remembered', 11, 3, 4, 4],
    ['was ready when it reported', 2, 3, undefined],
    ['has no report: it is new', 8, undefined, undefined],
    ['was unready for a moment while it changed', 8, 7.75, undefined],
    ['is not spoken of', undefined, 3, undefined],
    ['has reported since it came back', 8, 9, 8, 8],
    ['has reported since, and it is long ago', -5, -4, -5],
    ['went away twice', 9, 8, 2, 9],
  ];
  for (const [what, readySince, reportedAt, remembered, until] of rows)
    it(`${what}: ${until === undefined ? 'no' : `until 12:0${until}`}`, () => {
      const said = returnOf(
        {
          readySince: readySince === undefined ? undefined : at(readySince),
          reportedAt: reportedAt === undefined ? undefined : text(reportedAt),
          remembered: remembered === undefined ? undefined : text(remembered),
        },
        at(10),
      );

      assert.equal(said, until === undefined ? undefined : text(until));
    });
});
