import { bytes, findingLines } from '../output/index.ts';
import type { Plan } from '../planning/types.ts';
import type { PodProof } from '../pod/index.ts';
import type { Answer, ChangeResult } from '../runner/types.ts';
import type { Reply } from './types.ts';

/** A plan or a receipt for people and for programs. */
export function reply(answer: Answer): Reply {
  if (answer.kind === 'Plan') return { kind: 'Plan', body: answer.plan, text: planText(answer.plan) };
  return { kind: 'Change', body: answer.change, text: changeText(answer.change) };
}

function planText(plan: Plan): string[] {
  const lines = [`plan: ${plan.verb}${wayOf(plan)}`];
  if (plan.writes.length > 0) lines.push(`  writes: ${writesText(plan.writes)}`);
  if (plan.steps.length === 0) lines.push('  nothing to do');
  for (const [index, step] of plan.steps.entries()) {
    lines.push(`  ${index + 1}. ${step.text}`, ...(step.diff ?? []).map((line) => `       ${line}`));
  }
  for (const { handler, diff } of plan.configurations ?? [])
    lines.push(`  configuration of ${handler}:`, ...diff.map((line) => `       ${line}`));
  if (plan.rendered !== undefined) lines.push(`  rendered: ${plan.rendered.title} writes ${plan.rendered.writes} ${plan.rendered.when}`);
  lines.push(
    plan.restarts.length === 0
      ? `  restarts: none${plan.byItself === undefined ? '' : `; ${plan.byItself.unit} restarts ${plan.byItself.program} by itself`}`
      : `  restarts: ${plan.restarts.join(', ')}${plan.dependents.length === 0 ? '' : `; depending on it: ${plan.dependents.join(', ')}`}`,
  );
  if (plan.reloads !== undefined) lines.push(`  reloads: ${plan.reloads.join(', ')}, whose process stays`);
  for (const line of plan.gate) lines.push(`  then proven: ${line}`);
  return [...lines, ...findingLines(plan.findings)];
}

/** ', from generation 1 to generation 2, 345 MB written': only what the change has. */
function wayOf({ from, to, bytesWritten, removedGenerations, freedBytes }: Plan): string {
  const removing = removedGenerations !== undefined;
  const parts = [
    from === undefined && to === undefined ? '' : `from ${generation(from)} to ${generation(to)}`,
    removing && from === undefined ? `${count(removedGenerations.length, 'generation')} to remove` : '',
    bytesWritten === 0 && (removing || to === undefined) ? '' : `${bytes(bytesWritten)} written`,
    freedBytes === undefined ? '' : `${bytes(freedBytes)} freed`,
  ].filter((part) => part !== '');
  return parts.map((part) => `, ${part}`).join('');
}

function count(many: number, noun: string): string {
  return `${many === 0 ? 'no' : many} ${noun}${many === 1 ? '' : 's'}`;
}

/** 'payload 67 MB, program 110 MB to /var; wiring and units 2.1 kB to /' */
export function writesText(writes: Plan['writes']): string {
  const places = [...new Set(writes.map(({ fileSystem }) => fileSystem))];
  const ofPlace = (place: string) =>
    writes.filter(({ fileSystem }) => fileSystem === place).map(({ what, bytes: count }) => `${what} ${bytes(count)}`);
  return places.map((place) => `${ofPlace(place).join(', ')} to ${place}`).join('; ');
}

function changeText(change: ChangeResult): string[] {
  const notes = findingLines(change.findings);
  notes.push(...(change.pods ?? []).flatMap(podText));
  if (!change.changed) return [...notes, `${change.verb}: nothing to do${unchangedText(change)}`];
  const parts = [
    change.removedHandlers === undefined ? '' : `removed ${change.removedHandlers.join(', ')}`,
    handlersText(change),
    change.release === undefined ? '' : `Kata ${change.release}`,
    change.to === undefined ? '' : `generation ${change.to}`,
    change.bytesWritten === 0 ? '' : `${bytes(change.bytesWritten)} written`,
    change.savedBytes === 0 ? '' : `${bytes(change.savedBytes)} left out`,
    removedText(change.removedGenerations),
    change.freedBytes === undefined ? '' : `${bytes(change.freedBytes)} freed`,
    change.restarted.length === 0 ? 'nothing restarted' : `restarted ${change.restarted.join(', ')}`,
    `${change.seconds} s`,
  ].filter((part) => part !== '');
  const rest = change.nextCommand === undefined ? '' : ` · next: ${change.nextCommand}`;
  const back = change.undoCommand === undefined ? '' : ` · undo: ${change.undoCommand}`;
  return [...notes, `✓ ${change.verb}: ${parts.join(' · ')}${rest}${back}`];
}

function handlersText({ handlers, removedHandlers }: ChangeResult): string {
  if (handlers.length === 0) return '';
  return removedHandlers === undefined ? handlers.join(', ') : `left ${handlers.join(', ')}`;
}

function removedText(numbers: number[] = []): string {
  return numbers.length === 0 ? '' : `removed generation${numbers.length === 1 ? '' : 's'} ${numbers.join(', ')}`;
}

/** What a change was about need not be active: it may wait, or only be pinned. */
function unchangedText({ from, to, nextCommand }: ChangeResult): string {
  if (nextCommand !== undefined) return `; generation ${to} is there · next: ${nextCommand}`;
  return to !== undefined && from === to ? `; generation ${to} is active` : '';
}

function generation(number: number | undefined): string {
  return number === undefined ? 'nothing' : `generation ${number}`;
}

/** '✓ kata-qemu: a pod ran, ready after 1.2 s; Linux 6.12.47; hypervisor qemu-system-x86_64 (process 4711)', then what was found. */
export function podText(proof: PodProof): string[] {
  const { handler, ok, milliseconds, container, findings } = proof;
  const seconds = `${((milliseconds ?? 0) / 1000).toFixed(1)} s`;
  const removed = container === 'removed' ? ['another program removed the pod before its container ran'] : [];
  const parts = [`a pod ran, ready after ${seconds}`, kernelText(proof), hypervisorText(proof), ...removed];
  return [...(ok ? [`✓ ${handler}: ${parts.join('; ')}`] : []), ...findingLines(findings)];
}

function kernelText({ kernel, kernelFile }: PodProof): string {
  if (kernel !== undefined) return `Linux ${kernel}`;
  return kernelFile === undefined ? 'its kernel is not known' : `the kernel of ${kernelFile}`;
}

function hypervisorText({ hypervisor }: PodProof): string {
  if (hypervisor === undefined) return 'no hypervisor was seen';
  const { name, pid, cgroup, inPodCgroup, memoryBytes } = hypervisor;
  const memory = memoryBytes === undefined ? '' : `, which counts ${bytes(memoryBytes)}`;
  const where = inPodCgroup === undefined ? '' : inPodCgroup ? ` in the pod’s cgroup${memory}` : ` outside the pod’s cgroup, in ${cgroup}`;
  return `hypervisor ${name} (process ${pid})${where}`;
}
