import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { LabHost } from './host.ts';

const NAME = 'lab-late-network.service';
const TEXT = `[Unit]
DefaultDependencies=no
Before=network-online.target
[Service]
Type=oneshot
ExecStart=/bin/sleep 45
`;

/** Boots the host with a network that is up after 45 seconds only, once anything asks for it. Gives what brings the usual one back, with a further boot. */
export async function lateNetwork(host: LabHost): Promise<() => Promise<void>> {
  const units = join(host.root, 'etc/systemd/system');
  const wants = join(units, 'network-online.target.wants');
  await host.reboot({
    between: () => {
      mkdirSync(wants, { recursive: true });
      writeFileSync(join(units, NAME), TEXT);
      symlinkSync(`../${NAME}`, join(wants, NAME));
    },
  });
  await host.run(['systemctl', 'start', 'network-online.target'], { timeoutMs: 300_000 });
  return () =>
    host.reboot({
      between: () => {
        rmSync(join(units, NAME));
        rmSync(join(wants, NAME));
      },
    });
}

/** When a unit got active the last time, in seconds of this boot; 0: never. */
export async function activeSince(host: LabHost, unit: string): Promise<number> {
  const { stdout } = await host.run(['systemctl', 'show', unit, '--value', '-p', 'ActiveEnterTimestampMonotonic']);
  return Number(stdout.trim()) / 1e6;
}
