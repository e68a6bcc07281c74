import { commandWord, type Finding, KataError, systemctl } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { isReadOnlyPlace } from '../common/editable.ts';
import { unitTexts } from '../common/unitFiles.ts';
import { unsupported } from '../common/unsupported.ts';
import { atLeast, parseVersion } from '../common/version.ts';
import type { Instance } from '../types.ts';
import { flagsOf, valuesOf } from './detect.ts';
import { facts, firstVersion } from './facts.ts';
import type { Table } from './runtimes.ts';

/** Throws engine-unsupported for a daemon whose wiring would not do what it says. */
export async function checkDaemon(host: HostView, instance: Instance): Promise<void> {
  checkVersion(instance);
  const { args } = await flagsOf(host, instance);
  const unit = instance.unit ?? facts.units[0]!;
  const runs = instance.process !== undefined;
  if (args.some((arg) => /^--?rootless(?:=true)?$/.test(arg))) {
    throw unsupported(
      unit,
      'This Docker runs without root.',
      'A Docker of the system: Kata starts virtual machines as root.',
      `Use the docker.service of the system: ${systemctl(host, `enable ${host.live ? '--now ' : ''}docker.service`)}`,
    );
  }
  if (valuesOf(args, ['add-runtime']).length > 0) {
    throw unsupported(
      unit,
      `${unit} gives Docker handlers by --add-runtime, and a reload of a file with the key runtimes drops them.`,
      `These handlers in ${instance.configPath}.`,
      `Move them to the key runtimes of ${instance.configPath}, then${runs ? `: systemctl daemon-reload && systemctl restart ${commandWord(unit)}` : ' run the command again'}`,
    );
  }
  const texts = instance.process === undefined ? [] : await unitTexts(host, unit);
  if (texts.length > 0 && !texts.some((text) => /^[ \t]*ExecReload=[ \t]*\S/m.test(text))) {
    throw unsupported(
      unit,
      `${unit} cannot be reloaded.`,
      'ExecReload= in the unit, as Docker’s own has it: a restart would stop containers.',
      `systemctl edit ${commandWord(unit)}, write [Service] and ExecReload=/bin/kill -s HUP $MAINPID`,
    );
  }
}

/** Throws where the file belongs to the image of the operating system. */
export async function checkPlace(host: HostView, path: HostPath): Promise<void> {
  if (!(await isReadOnlyPlace(host, path))) return;
  throw unsupported(
    path,
    `${path} is part of the read-only operating system.`,
    'A configuration file that may be edited.',
    'Copy it to /etc/docker/daemon.json, and let --config-file in a drop-in of docker.service name the copy.',
  );
}

/** What Kata does not do under Docker: said once, at the first wiring (docs/facts/docker.md#limits). */
export function limits(value: Table): Finding {
  const labels = value['selinux-enabled'] === true ? '; with selinux-enabled the hypervisor has the SELinux type of a container' : '';
  return {
    code: 'docker-limits',
    level: 'info',
    subject: facts.name,
    found: `Docker gives Kata less than Kubernetes does: users report docker exec and health checks that fail in its containers, and networks of containers depend on the versions of both${labels}.`,
    needed: 'A trial of what your containers need.',
    next: 'docker run --rm --runtime HANDLER IMAGE uname -r',
  };
}

function checkVersion({ version }: Instance): void {
  const parsed = parseVersion(version);
  if (parsed !== undefined && atLeast(parsed, firstVersion.major, firstVersion.minor)) return;
  throw new KataError('engine-unsupported', {
    subject: facts.name,
    found: parsed === undefined ? 'The version of Docker is not known.' : `Docker ${version} is here.`,
    needed: `Docker ${firstVersion.major} or later.`,
    next: parsed === undefined ? `Name it: --engine ${facts.name}@VERSION` : 'Upgrade Docker, then run the command again.',
  });
}
