import { SOCKET, waitForCri } from '../../lab/pods.ts';
import type { Live } from './liveHost.ts';
import { until } from './unitWork.ts';

export const blessed = '/etc/systemd/system/kata-sysext-recover.service.d/50-blessed.conf';
/** In the order of a boot. */
export const guardUnits = ['kata-sysext-recover.service', 'kata-sysext-rewire.service', 'kata-sysext-confirm.service'] as const;

/** Boots of a live host, and what the guard did in them. */
export interface GuardedBoots {
  /** Boots, and waits until the engine answers. */
  boot(options?: Parameters<Live['host']['reboot']>[0]): Promise<void>;
  /** Whether the program of each unit was started in this boot. */
  ran(): Promise<Record<string, string>>;
  /** Waits until the guard has ended; the active generation, or none. */
  activeAfterGuard(): Promise<unknown>;
  /** The lab's fault: the engine starts only where this shell command says so. */
  enginePasses(test: string): Promise<void>;
  stateOf(number: number): Promise<string>;
}

export function guardedBoots(live: Live): GuardedBoots {
  const { host } = live;
  return {
    boot: async (options = {}) => {
      await host.reboot(options);
      await waitForCri(host, SOCKET);
    },
    ran: async () => {
      const rows: Record<string, string> = {};
      for (const unit of guardUnits) {
        const { stdout } = await host.run(['systemctl', 'show', unit, '-p', 'ExecMainStartTimestampMonotonic', '--value']);
        rows[unit] = stdout.trim() === '0' ? 'no' : 'yes';
      }
      return rows;
    },
    activeAfterGuard: async () => {
      const ended = async () =>
        (await host.run(['systemctl', 'show', guardUnits[2], '-p', 'ActiveState', '--value'])).stdout.trim() === 'inactive';
      await until(ended, 'the guard has ended', 400_000);
      return (await live.json(['status']))['active'] ?? 'none';
    },
    enginePasses: async (test) => {
      await host.sh(
        `mkdir -p /etc/systemd/system/containerd.service.d && printf '[Service]\\nRestartSec=1\\nExecStartPre=/bin/sh -c "%s"\\n' '${test}' > /etc/systemd/system/containerd.service.d/lab.conf; systemctl daemon-reload`,
      );
    },
    stateOf: async (number) => {
      const { generations } = (await live.json(['status'])) as { generations: { number: number; state: string }[] };
      return generations.find((each) => each.number === number)?.state ?? 'gone';
    },
  };
}
