import type { Finding } from '../../errors/index.ts';
import type { UnitState } from '../../systemd/types.ts';

/** `process` kills the daemon and nothing else; the others also kill the shims in its control group, and with them every pod. */
const harmless = ['process', 'none'];

/** What a restart of this unit would destroy. */
export function restartRisksOfUnit(state: UnitState): Finding[] {
  if (harmless.includes(state.killMode) || state.loadState === 'not-found') return [];
  return [
    {
      code: 'engine-restart-kills',
      level: 'blocker',
      subject: state.unit,
      found: `${state.unit} has KillMode=${state.killMode || 'control-group'}: a restart would kill every running container.`,
      needed: 'KillMode=process, as the engines’ own units have it.',
      next: `systemctl edit ${state.unit}, write [Service] and KillMode=process; or drain the node and use --allow engine-restart-kills.`,
    },
  ];
}
