import assert from 'node:assert/strict';
import type { HostView } from '../../cli/host/index.ts';
import { forgetUnits } from '../../cli/runner/execute.ts';
import type { Intent, Outcome } from '../../cli/transaction/index.ts';

const digest = `sha256:${'0'.repeat(64)}`;
const unit = '/etc/systemd/system/kata-sysext-recover.service';

describe('PID 1 reads its units again', () => {
  const cases: [what: string, path: string, before: string, after: string, result: Outcome['result'], live: boolean, wanted: number][] = [
    ['after a unit of ours went', unit, digest, 'absent', 'done', true, 1],
    ['after the overlay’s unit went', '/etc/systemd/system/kata-sysext-overlay.service', digest, 'absent', 'done', true, 1],
    ['after a change that brought one was undone', unit, 'absent', digest, 'undone', true, 1],
    ['not after one came', unit, 'absent', digest, 'done', true, 0],
    ['not after its removal was undone', unit, digest, 'absent', 'undone', true, 0],
    ['not after a drop-in of one went', `${unit}.d/50-blessed.conf`, digest, 'absent', 'done', true, 0],
    ['not after any other file went', '/etc/containerd/config.toml', digest, 'absent', 'done', true, 0],
    ['not for an offline tree', unit, digest, 'absent', 'done', false, 0],
  ];
  for (const [what, path, before, after, result, live, wanted] of cases)
    it(what, async () => {
      let reloads = 0;
      const daemonReload = async () => {
        reloads += 1;
        throw new Error('busy');
      };
      const host = { live, systemd: async () => ({ daemonReload }) } as unknown as HostView;
      const intent = {
        steps: [
          { kind: 'folder', path: '/a' },
          { kind: 'file', path, before, after },
        ],
      } as unknown as Intent;

      await forgetUnits(host, intent, { result } as Outcome);

      assert.equal(reloads, wanted);
    });
});
