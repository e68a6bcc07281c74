import { placeAt } from '../../documents/index.ts';
import { topLevelValue, valueAt } from '../../documents/toml/index.ts';
import type { KataError } from '../../errors/index.ts';
import { unsupported } from '../common/unsupported.ts';
import type { BaseTable } from './base.ts';
import { runtimesOf } from './containerd.ts';
import type { Template, Unchecked } from './inputs.ts';
import { doubledTables, isRendered } from './pendingTemplates.ts';
import { schemaOfText } from './rendered.ts';
import { baseLine, basesIn, hasBranches } from './templates.ts';

/** Keys of the top level that every rendered configuration of a schema has: TOML allows each once. */
const baseKeys = ['version', 'imports', 'root', 'state'];

/**
 * Throws engine-unsupported for a template that keeps containerd from starting, now or with a newer version of the program, or that has no effect
 * where it seems to have one (docs/facts/rancher.md#templates). Of what was rendered, containerd's own reading is asked too.
 */
export function refuseTraps({ templates, active, rendered }: Unchecked, tables: readonly BaseTable[]): void {
  for (const template of templates) {
    refuseBareReturn(template);
    const { count } = basesIn(template.text);
    if (count > 1) throw twice(template, `${baseLine} ${count} times`);
    if (count === 1) refuseDoubledKeys(template);
    else refuseStub(template);
    if (template.doc === undefined && rendered === undefined) throw unreadable(template);
    if (rendered === undefined || template === active) refuseDoubledTables(template, rendered, tables);
  }
}

/** TOML has none, and a line of kata-sysext behind it would make it the half of a line end. */
function refuseBareReturn({ path, text }: Template): void {
  const at = text.search(/\r(?!\n)/);
  if (at < 0) return;
  throw unsupported(
    path,
    `${path}, ${placeAt(text, at)}, has a carriage return without a line feed.`,
    'Lines that end with LF or CRLF, as TOML has them.',
    `Repair ${path}.`,
  );
}

/** What is in the template and in its base. */
function refuseDoubledKeys({ path, text, doc }: Template): void {
  const key = doc === undefined ? undefined : baseKeys.find((each) => topLevelValue(doc, each) !== undefined);
  if (key === undefined) return;
  const isAhead = text.search(new RegExp(`^[ \\t]*${key}[ \\t]*=`, 'm')) < basesIn(text).at;
  throw isAhead
    ? twice({ path }, `the key ${key}, which its base has too`)
    : unsupported(
        path,
        `${path} has the key ${key} below ${baseLine}: there it belongs to the last table of the base, and has no effect.`,
        'A template without keys outside of tables.',
        `Remove the line of ${key} from ${path}.`,
      );
}

/**
 * What was rendered, from an earlier text of the template too, shows which of the tables the base of this node has. While it has all that the
 * template says, the result was read already. A table inside a branch may be there only where the base has none.
 */
function refuseDoubledTables(template: Template, rendered: Unchecked['rendered'], tables: readonly BaseTable[]): void {
  if (rendered === 'no TOML' || hasBranches(template.text)) return;
  const current = rendered !== undefined && schemaOfText(rendered) === template.schema ? rendered.value : undefined;
  if (current !== undefined && isRendered(template, current) !== false) return;
  const doubled = doubledTables(template, tables).find(
    ({ path, isCertain }) => isCertain && (current === undefined || valueAt(current, path) !== undefined),
  );
  if (doubled !== undefined) throw twice(template, `the table ${doubled.path.join('.')}, which its base has too`);
}

/** A template in place of the base has to say all that the base says; some programs leave one of two lines. */
function refuseStub({ path, schema, doc }: Template): void {
  if (doc === undefined) return;
  const { version } = doc.value;
  if (version !== undefined && schemaOfText(doc) !== schema) {
    throw unsupported(
      path,
      `${path} has version = ${String(version)}, and its program takes it for a template of schema ${schema}.`,
      'A template whose version is that of its name.',
      schema === 2 ? `Rename it to config-v3.toml.tmpl, or convert it.` : `Convert it, or rename it to config.toml.tmpl.`,
    );
  }
  // With a template of schema 2, the program itself names the folders and the socket.
  const needed = schema === 3 ? [['root'], ['state'], ['grpc', 'address'], ['version']] : [['version']];
  const lacking = needed.find((each) => valueAt(doc.value, each) === undefined)?.join('.');
  const hasRuntime = Object.keys(runtimesOf(doc.value)).length > 0;
  if (lacking === undefined && hasRuntime) return;
  const comes =
    lacking === 'version'
      ? 'takes it for schema 1, where its tables mean nothing'
      : 'uses folders and a socket of its own, and the node does not come up';
  throw unsupported(
    path,
    `${path} replaces the whole configuration and has no ${lacking ?? 'runtime'}: containerd ${comes}.`,
    `A template that begins with ${baseLine}.`,
    `Write ${baseLine} into ${path} in place of what it repeats, or remove the file.`,
  );
}

function twice({ path }: Pick<Template, 'path'>, what: string): KataError {
  return unsupported(
    path,
    `${path} has ${what}: containerd does not start with the configuration that is made from it.`,
    'A template that adds to its base, and repeats nothing of it.',
    `Remove it from ${path}.`,
  );
}

function unreadable({ path }: Template): KataError {
  return unsupported(
    path,
    `${path} is no TOML around its actions, and no configuration was made from it yet.`,
    'A template whose effect can be read, or the configuration that its program has made from it.',
    `Start the node once, or write actions of ${path} on lines of their own.`,
  );
}
