import type { HostPath, HostView } from '../../host/types.ts';
import { foreignWiringIn } from '../common/foreignWiring.ts';
import type { ForeignWiring, Instance } from '../types.ts';
import { tablesLeadingTo } from './containerd.ts';
import { readInputs } from './inputs.ts';

/** See `Engine.findForeignWiring`: in templates and drop-ins, because the rendered file is made from them. */
export async function findForeignRancher(host: HostView, instance: Instance, shim: HostPath): Promise<ForeignWiring> {
  const { set, templates, rendered } = await readInputs(host, instance, [], [], () => undefined);
  const docs = [
    ...templates.flatMap(({ real, doc, text }) => (doc === undefined ? [] : [{ path: real, doc, text }])),
    ...set.files.filter(({ real }) => real !== rendered?.real).map(({ real, doc }) => ({ path: real, doc, text: doc.text })),
  ];
  const files = docs.map(({ path, doc }) => ({ path, doc, tables: tablesLeadingTo(doc, shim), idle: { version: 0 } }));
  const found = await foreignWiringIn(host, files);
  // A mark is text of the file itself: one with an action, which is read as another text, cannot be taken out.
  const marks = found.marks.map((mark) => {
    const text = docs.find(({ path }) => path === mark.path)?.text ?? mark.text;
    return mark.kind === 'file' ? { ...mark, text } : mark;
  });
  return {
    marks: marks.filter(({ path, text }) => docs.some((each) => each.path === path && each.text.includes(text))),
    handlers: found.handlers,
  };
}
