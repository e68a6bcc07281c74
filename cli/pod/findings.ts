import { type EngineCri, type Instance, unitNames } from '../engines/index.ts';
import { commandWord, type Finding, KataError } from '../errors/index.ts';
import { explainAnswer } from '../failures/index.ts';

const maxAnswerChars = 800;

/** Where no row of the known failures fits. */
function engineLog(): string {
  return ['journalctl --since -5min', ...unitNames().map((name) => `-u ${name}`)].join(' ');
}

/** The engine's answer without the words of kata-sysext's own CRI client. */
function answerOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  const [, call, answer] = /answered (\w+) with: (.*)$/s.exec(text) ?? [];
  return `${call === undefined ? text : `${call}: ${answer}`}`.slice(0, maxAnswerChars);
}

export function podFailed(
  handler: string,
  { engine }: Pick<Instance, 'engine'>,
  error: unknown,
  what = 'its sandbox did not start',
): Finding {
  const answer = answerOf(error);
  const known = explainAnswer(answer);
  return {
    code: 'pod-failed',
    level: 'blocker',
    subject: handler,
    found: `${handler}: ${what}: ${known === undefined ? '' : `${known.cause} `}${engine} answered ${answer}`,
    needed: 'a pod that starts',
    next: known === undefined ? engineLog() : firstOf(known.next),
  };
}

/** A finding has one command, without a comment. The files were compared before a pod is started as proof. */
function firstOf(commands: string[]): string {
  const plain = commands.map((command) => command.replace(/ {2}#.*$/, ''));
  return plain.find((command) => command !== 'kata-sysext verify') ?? plain[0]!;
}

/** Nothing that differs from what was installed is proven by a pod. */
export function podOfDrift(handler: string): Finding {
  return {
    code: 'pod-failed',
    level: 'blocker',
    subject: handler,
    found: `${handler}: no pod was started, because files of the generation differ from what was installed`,
    needed: 'the installed files, unchanged',
    next: 'kata-sysext verify',
  };
}

export function podLeft(subject: string, found: string): Finding {
  return {
    code: 'pod-left',
    level: 'blocker',
    subject,
    found: `${found}`,
    needed: 'no pod of kata-sysext after its proof',
    next: 'kata-sysext recover',
  };
}

export function onHostKernel(handler: string, kernel: string): Finding {
  return {
    code: 'pod-on-host-kernel',
    level: 'warning',
    subject: handler,
    found: `${handler}: the pod’s kernel is ${kernel}, that of this host, and no hypervisor was seen`,
    needed: 'a kernel of the guest, in a virtual machine',
    next: 'kata-sysext verify --boot-guest',
  };
}

export function noNetwork(handler: string, { engine }: Instance, why: string): Finding {
  return {
    code: 'pod-no-network',
    level: 'warning',
    subject: handler,
    found: `${handler}: no pod was started, because ${engine} has no network for pods${why === '' ? '' : ` (${why})`}; the guest was booted instead`,
    needed: 'a CNI configuration in /etc/cni/net.d',
    next: 'install the cluster’s CNI plugin, then kata-sysext verify --pod',
  };
}

/** The image that the node lacks, or undefined where the engine names none. */
export function noImage(instance: Instance, cri: EngineCri, image: string | undefined): Finding {
  const base = { code: 'pod-image-missing', level: 'blocker', subject: image ?? instance.engine } as const;
  if (image === undefined) {
    const found = `${instance.engine} names no image for sandboxes`;
    return {
      ...base,
      found,
      needed: 'the name of the image, in the engine’s configuration',
      next: `crictl --runtime-endpoint ${commandWord(`unix://${instance.socket}`)} info`,
    };
  }
  return {
    ...base,
    found: `the node does not have the image ${image}, from which ${instance.engine} makes sandboxes`,
    needed: 'that image: a proof pulls nothing',
    next: `${cri.pullCommand(instance, image)}; then run the command again`,
  };
}

/** As an error, for a command that ends with it. */
export function thrown({ code, subject, found, needed, next }: Finding): KataError {
  return new KataError(code, { subject, found, needed, next });
}
