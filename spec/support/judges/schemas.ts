import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv, type ValidateFunction } from 'ajv';

const folder = fileURLToPath(new URL('../../../schema/', import.meta.url));
let validators: Map<string, ValidateFunction> | undefined;

/** The kinds of objects that `schema/` describes. */
export function kinds(): string[] {
  return [...load().keys()];
}

/** Throws when the object is not exactly what the schema of its kind says. */
export function checkJson(value: Record<string, unknown>): void {
  const validate = load().get(String(value['kind']));
  if (validate === undefined) throw new Error(`schema/ has no kind ${String(value['kind'])}`);
  if (!validate(value)) throw new Error(`not a ${String(value['kind'])}: ${JSON.stringify(validate.errors)} in ${JSON.stringify(value)}`);
}

function load(): Map<string, ValidateFunction> {
  if (validators !== undefined) return validators;
  const ajv = new Ajv({ allErrors: true, strict: true });
  const schemas = readdirSync(folder).map((name) => JSON.parse(readFileSync(`${folder}${name}`, 'utf8')) as { $id: string; title: string });
  for (const schema of schemas) ajv.addSchema(schema);
  const own = schemas.filter((schema) => schema.title !== 'Finding');
  validators = new Map(own.map((schema) => [schema.title, ajv.getSchema(schema.$id)!]));
  return validators;
}
