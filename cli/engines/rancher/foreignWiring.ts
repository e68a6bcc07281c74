import type { HostPath, HostView } from '../../host/types.ts';
import { type ForeignTables, foreignWiringIn, inseparable } from '../common/foreignWiring.ts';
import type { ForeignWiring, Instance } from '../types.ts';
import { tablesLeadingTo } from './containerd.ts';
import { readInputs } from './inputs.ts';
import { hasOtherActions } from './templates.ts';

interface Input extends ForeignTables {
  real: HostPath;
  /** The file as it is: the document of a template is read from another text. */
  text: string;
}

/** See `Engine.findForeignWiring`: in templates and drop-ins, because the rendered file is made from them. */
export async function findForeignRancher(host: HostView, instance: Instance, shim: HostPath): Promise<ForeignWiring> {
  const { set, templates, rendered } = await readInputs(host, instance, [], [], () => undefined);
  const idle = { version: 0 };
  const inputs: Input[] = [
    ...templates.flatMap(({ path, real, doc, text }) =>
      doc === undefined ? [] : [{ path, real, doc, text, tables: tablesLeadingTo(doc, shim), idle, hasMore: hasOtherActions(text) }],
    ),
    ...set.files
      .filter(({ real }) => real !== rendered?.real)
      .map(({ path, real, doc }) => ({ path, real, doc, text: doc.text, tables: tablesLeadingTo(doc, shim), idle })),
  ];
  const { marks, handlers } = await foreignWiringIn(host, inputs);
  const asWritten = marks.map((mark) => {
    const input = inputs.find(({ real }) => real === mark.path)!;
    if (mark.kind === 'file') return { ...mark, text: input.text };
    if (!input.text.includes(mark.text)) throw inseparable(input, 'actions of the template');
    return mark;
  });
  return { marks: asWritten, handlers };
}
