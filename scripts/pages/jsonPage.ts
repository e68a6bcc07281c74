import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

interface Schema {
  title?: string;
  type?: string;
  const?: unknown;
  enum?: unknown[];
  $ref?: string;
  properties?: Record<string, Schema>;
  items?: Schema;
  required?: string[];
  anyOf?: Schema[];
  oneOf?: Schema[];
}

const repo = join(import.meta.dirname, '../..');
/** Which commands print which kind of object with --json. */
const commands: Record<string, string> = {
  Catalogue: '`releases add`, `releases remove`',
  Change: '`install`, `activate`, `rollback`, `configure`, `adopt`, `gc`, `pin`, `unpin`, `uninstall`',
  Check: '`check`',
  Codes: '`explain`',
  Completion: '`completion`',
  Configuration: '`configure` without a setting',
  Diff: '`diff`',
  Error: 'every verb, when it fails',
  Explanation: '`explain -`',
  Files: '`generate`',
  Finding: 'a part of other objects',
  FleetStatus: '`status --fleet`',
  History: '`history`',
  Image: '`build`, `inspect`',
  NodeReport: '`apply`',
  Notices: '`notices`',
  Plan: 'every changing verb with `--dry-run`, but for `apply`',
  Recovery: '`recover`',
  Releases: '`releases`',
  Report: '`report`',
  Request: 'a file for `apply`',
  SavedBundle: '`bundle save`',
  Status: '`status`',
  Trial: '`try`',
  Verification: '`verify`',
  Version: '`version`',
};

/** docs/reference/json.md, in blocks, from the JSON schemas. */
export function jsonPage(note: string, table: (heads: string[], rows: string[][]) => string): string[] {
  const schemas = schemasByTitle();
  return [
    '# JSON',
    note,
    'With `--json` a command prints one object on standard output. Every object has `apiVersion`, which is `kata-sysext/v1`, and `kind`. Exit statuses are the same as without `--json`. The JSON schemas are in the folder `schema/` of the repository and of the npm package.',
    '```sh\nkata-sysext status --json\n```',
    'The repository and the npm package have a JSON schema of each kind in `schema/`: `schema/change.json` describes `Change`.',
    table(
      ['kind', 'printed by'],
      schemas.map(({ title }) => [`[\`${title}\`](#${title.toLowerCase()})`, commandsOf(title)]),
    ),
    'In the tables below `a.b` is the field `b` of the object `a`, and `a[].b` the field `b` of each object in the list `a`. A field with *yes* is always present where its object is.',
    ...schemas.flatMap(({ title, schema }) => [`## ${title}`, table(['field', 'type', 'always'], fieldsOf(schema))]),
  ];
}

function commandsOf(title: string): string {
  const printed = commands[title];
  if (printed === undefined) throw new Error(`scripts/pages/jsonPage.ts does not say what prints the kind ${title}`);
  return printed;
}

function schemasByTitle(): { title: string; schema: Schema }[] {
  const folder = join(repo, 'schema');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as Schema)
    .map((schema) => ({ title: schema.title ?? '', schema }));
}

function fieldsOf(schema: Schema, before = ''): string[][] {
  const required = schema.required ?? [];
  return Object.entries(schema.properties ?? {})
    .filter(([name]) => before !== '' || !['apiVersion', 'kind'].includes(name))
    .flatMap(([name, field]) => {
      const path = `${before}${name}`;
      const inner = field.type === 'array' ? field.items : field;
      const more = inner?.properties === undefined ? [] : fieldsOf(inner, `${path}${field.type === 'array' ? '[]' : ''}.`);
      return [[`\`${path}\``, typeOf(field), required.includes(name) ? 'yes' : ''], ...more];
    });
}

/** The type of a field in words: 'list of text', 'one of `a`, `b`', a link to another kind. */
function typeOf(schema: Schema): string {
  const { $ref, items, type, enum: values } = schema;
  if (schema.const !== undefined) return `\`${JSON.stringify(schema.const)}\``;
  if (values !== undefined) return `one of ${values.map((value) => `\`${String(value)}\``).join(', ')}`;
  if ($ref !== undefined) return refType($ref);
  const either = schema.anyOf ?? schema.oneOf;
  if (either !== undefined) return either.map(typeOf).join(' or ');
  if (type === 'array') return `list of ${items === undefined ? 'values' : typeOf(items)}`;
  return { string: 'text', integer: 'integer', number: 'number', boolean: 'true or false', object: 'object' }[type ?? ''] ?? 'any value';
}

/** `finding.json` is a kind; `verification.json#/properties/pods` a field of one. */
function refType(ref: string): string {
  const [, kind, field] = /^(\w+)\.json(?:#\/properties\/(\w+))?$/.exec(ref) ?? [];
  if (kind === undefined) throw new Error(`a reference of a schema leads elsewhere: ${ref}`);
  const link = `[${kind.charAt(0).toUpperCase()}${kind.slice(1)}](#${kind})`;
  return field === undefined ? link : `as \`${field}\` of ${link}`;
}
