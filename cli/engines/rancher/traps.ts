import { placeAt } from '../../documents/index.ts';
import { topLevelValue, valueAt } from '../../documents/toml/index.ts';
import type { KataError } from '../../errors/index.ts';
import { unsupported } from '../common/unsupported.ts';
import { pluginOf, runtimesOf, runtimesPath } from './containerd.ts';
import type { Template } from './inputs.ts';
import { baseLine, basesIn } from './templates.ts';

/** Keys of the top level and tables that every rendered configuration of a schema has: TOML allows each once. */
const baseKeys = ['version', 'imports', 'root', 'state'];

function baseTables(schema: Template['schema']): string[][] {
  const plugin = pluginOf(schema);
  const own = [
    ['plugins', 'io.containerd.internal.v1.opt'],
    ['plugins', 'io.containerd.grpc.v1.cri'],
    ['plugins', plugin],
    [...runtimesPath(plugin), 'runc'],
    [...runtimesPath(plugin), 'runc', 'options'],
  ];
  return schema === 3 ? [['grpc'], ...own, ['plugins', 'io.containerd.cri.v1.images']] : own;
}

/**
 * Throws engine-unsupported for a template that keeps containerd from starting, now or with a newer version of the program, or that has no effect
 * where it seems to have one (docs/facts/rancher.md#templates). `hasRendered`: containerd's own reading of the result is asked, too.
 */
export function refuseTraps(templates: readonly Template[], hasRendered: boolean): void {
  for (const template of templates) {
    refuseBareReturn(template);
    const { count } = basesIn(template.text);
    if (count > 1) throw twice(template, `${baseLine} ${count} times`);
    if (count === 1) refuseDoubled(template, hasRendered);
    else refuseStub(template);
    if (template.doc === undefined && !hasRendered) throw unreadable(template);
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
function refuseDoubled({ path, text, schema, doc }: Template, hasRendered: boolean): void {
  if (doc === undefined) return;
  const key = baseKeys.find((each) => topLevelValue(doc, each) !== undefined);
  if (key !== undefined) {
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
  if (hasRendered) return;
  const headers = doc.program.body[0].body.flatMap((node) => (node.type === 'TOMLTable' ? [node.resolvedKey.join('\0')] : []));
  const table = baseTables(schema).find((each) => headers.includes(each.join('\0')));
  if (table !== undefined) throw twice({ path }, `the table ${table.join('.')}, which its base has too`);
}

/** A template in place of the base has to say all that the base says; some programs leave one of two lines. */
function refuseStub({ path, schema, doc }: Template): void {
  if (doc === undefined) return;
  const needed = schema === 3 ? [['root'], ['state'], ['grpc', 'address']] : [];
  const lacking = needed.find((each) => valueAt(doc.value, each) === undefined);
  const hasRuntime = Object.keys(runtimesOf(doc.value)).length > 0;
  if (lacking === undefined && hasRuntime) return;
  throw unsupported(
    path,
    `${path} replaces the whole configuration and has no ${lacking?.join('.') ?? 'runtime'}: containerd uses folders and a socket of its own, and the node does not come up.`,
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
