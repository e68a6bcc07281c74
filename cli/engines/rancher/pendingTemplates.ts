import { isDeepStrictEqual } from 'node:util';
import { isTable, type TomlTable, valueAt } from '../../documents/toml/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { Instance } from '../types.ts';
import type { BaseTable } from './base.ts';
import type { Template, Unchecked } from './inputs.ts';
import { schemaOfText } from './rendered.ts';
import { actionValue, basesIn, hasBranches } from './templates.ts';

/**
 * Whether what a template says is in what was rendered: then it is no newer. Of an action any value is right; undefined where branches or a text
 * that is no TOML leave it open.
 */
export function isRendered({ text, doc }: Template, rendered: TomlTable): boolean | undefined {
  return doc === undefined || hasBranches(text) ? undefined : isIn(doc.value, rendered);
}

function isIn(value: unknown, rendered: unknown): boolean {
  if (!isTable(value)) return isDeepStrictEqual(value, rendered) || (rendered !== undefined && isOfAction(value));
  if (!isTable(rendered)) return false;
  return Object.entries(value).every(
    ([key, inner]) => key.includes(actionValue) || (Object.hasOwn(rendered, key) && isIn(inner, rendered[key])),
  );
}

function isOfAction(value: unknown): boolean {
  if (Array.isArray(value)) return value.some(isOfAction);
  return typeof value === 'string' ? value.includes(actionValue) : value === Number(actionValue);
}

/** The tables of the base that the template begins, too. */
export function doubledTables({ doc, text, schema }: Template, tables: readonly BaseTable[]): BaseTable[] {
  if (doc === undefined || basesIn(text).count === 0) return [];
  const headers = doc.program.body[0].body.flatMap((node) => (node.type === 'TOMLTable' ? [node.resolvedKey.join('\0')] : []));
  return tables.filter((table) => table.schema === schema && headers.includes(table.path.join('\0')));
}

/** The template that the next start takes was not rendered as it is: nothing but a start can show whether containerd reads what comes of it. */
export function pendingTemplates({ active, rendered }: Unchecked, instance: Instance, tables: readonly BaseTable[]): Finding[] {
  if (active === undefined || rendered === 'no TOML') return [];
  const current = rendered !== undefined && schemaOfText(rendered) === active.schema ? rendered.value : undefined;
  if (current !== undefined && isRendered(active, current) !== false) return [];
  const title = instance.renderer?.title ?? instance.engine;
  const { path } = active;
  const perhaps = doubledTables(active, tables).find(
    ({ isCertain, path: table }) =>
      (!isCertain || hasBranches(active.text)) && (current === undefined || valueAt(current, table) !== undefined),
  );
  const why =
    rendered === undefined
      ? `${title} has not rendered ${path} yet`
      : `${instance.configPath} does not have all that ${path} says, so the template is newer than the last start of ${title}`;
  const doubt =
    perhaps === undefined
      ? ''
      : ` It has the table ${perhaps.path.join('.')}, which its base may have too: then containerd does not start.`;
  return [
    {
      code: 'engine-template-pending',
      level: perhaps === undefined ? 'info' : 'warning',
      subject: path,
      found: `${why}: it takes effect at the next start, together with the handlers.${doubt}`,
      needed: 'A template that was rendered as it is: then the containerd of the node reads the result before the change.',
      next: `On a node that runs, first: systemctl restart ${instance.unit ?? `the unit of ${title}`}. In a tree: look at ${path} again.`,
    },
  ];
}
