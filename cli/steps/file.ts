import { exactOptional } from 'valibot';
import { flag, listOf, oneOf, permissions, tableOf, text } from '../documents/shapes.ts';
import { digestOf, type Host, type HostView } from '../host/index.ts';
import { noteParent, restoreParent } from './parent.ts';
import { kind, path, state } from './shapes.ts';
import { dropTemporary, temporariesOf, viaTemporary } from './temporaries.ts';
import type { FileStep, StepKind, UndoStore } from './types.ts';

const usualMode = 0o644;

export const file: StepKind<FileStep> = {
  shape: tableOf({
    kind,
    path,
    before: state,
    after: state,
    text: exactOptional(text),
    mode: exactOptional(permissions),
    like: exactOptional(path),
    foreign: flag,
    ours: listOf(text),
    temporary: path,
    settles: exactOptional(oneOf('first', 'last')),
  }),
  subject: (step) => step.path,
  describe: (step) => `${step.after === 'absent' ? 'remove' : step.before === 'absent' ? 'create' : 'edit'} ${step.path}`,
  prepare: async (host, step, store) => {
    const parent = await noteParent(host, step.path);
    if (step.before === 'absent') return parent;
    const stat = await host.stat(step.path);
    await store.save('before', step.path);
    return { ...parent, modifiedMs: stat?.modifiedMs };
  },
  apply: async (host, step, undo) => {
    if (step.after === 'absent') await host.unlink(step.path);
    else if (step.before === 'absent') {
      const { like, mode = usualMode } = step;
      await viaTemporary(host, step, (via) =>
        like === undefined
          ? host.writeFile(step.path, step.text ?? '', { mode }, via)
          : host.replaceFile(step.path, step.text ?? '', via, like),
      );
      await host.relabel([step.path]);
    } else await viaTemporary(host, step, (via) => host.replaceFile(step.path, step.text ?? '', via));
    // The engine has read all that it says: it must not look like a pending edit.
    if (step.settles === 'last' && step.after !== 'absent' && typeof undo['modifiedMs'] === 'number')
      await host.setModified(step.path, undo['modifiedMs']);
  },
  revert: async (host, step, undo, store) => {
    for (const temporary of temporariesOf(step)) await dropTemporary(host, temporary);
    const place = await look(host, step);
    if (place === 'other') return removeOwnText(host, step);
    if (place === 'after') await putBefore(host, step, store);
    // A restored file must not look newer than the engine that loaded it, or the next change would see a pending edit.
    const now = await host.stat(step.path);
    if (now !== undefined && typeof undo['modifiedMs'] === 'number' && now.modifiedMs > undo['modifiedMs'])
      await host.setModified(step.path, undo['modifiedMs']);
    await restoreParent(host, step.path, undo);
  },
  look,
};

async function look(host: HostView, step: FileStep): Promise<'before' | 'after' | 'other'> {
  const now = (await host.digest(step.path)) ?? 'absent';
  if (now === step.before) return 'before';
  if (now === step.after) return 'after';
  // A file that is kata-sysext's as a whole: a program of the host may have put another one of its texts in place meanwhile.
  if (step.foreign || !step.ours.some((text) => digestOf(text) === now)) return 'other';
  // The texts of a removal are those from before it.
  return step.after === 'absent' ? 'before' : 'after';
}

async function putBefore(host: Host, step: FileStep, store: UndoStore): Promise<void> {
  if (step.before === 'absent') return host.unlink(step.path);
  const saved = store.path('before');
  const like = step.after === 'absent' || !step.foreign ? saved : step.path;
  const bytes = await host.readFile(saved);
  await viaTemporary(host, step, (via) => host.replaceFile(step.path, bytes, via, like));
}

/**
 * Another program edited the file meanwhile: its edit stays, and only kata-sysext's text is removed. A text that kata-sysext removed is not
 * put back.
 */
async function removeOwnText(host: Host, step: FileStep): Promise<void> {
  const now = await host.readText(step.path);
  if (now === undefined) return;
  // Loaded here: `status` reads the journal too and must not pay for a TOML parser.
  const { withoutText } = await import('../documents/withoutText.ts');
  // What cannot go without changing what the rest says stays; `undo.ts` reports it.
  const rest = step.ours.reduce((text, ours) => withoutText(text, ours, step.path) ?? text, now);
  if (rest !== now && step.foreign) await viaTemporary(host, step, (via) => host.replaceFile(step.path, rest, via));
}
