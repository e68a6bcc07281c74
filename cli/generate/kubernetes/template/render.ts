import { functions, isRefusal } from './functions.ts';
import { type Defined, type Operand, type Part, type Pipeline, parse } from './parse.ts';
import { isTable, isTrue, sortedKeys, type Table, type Value } from './values.ts';

const maxOutput = 1_048_576;
const maxSteps = 200_000;
const maxDepth = 32;

/** Where one template is: `root` is its `$`. */
interface Scope {
  defined: Defined;
  root: Value;
  dot: Value;
  variables: Map<string, Value>[];
  depth: number;
  /** Shared by all templates of a rendering. */
  spent: { steps: number };
}

/**
 * Renders templates of the subset of Go's text/template that the chart is written in: what Helm makes of the same sources, without a cluster.
 * Pure. Throws a `Refusal` where the chart refuses its values, and an Error where the chart itself is at fault.
 *
 * @param sources by name; those of *.tpl only define
 */
export function renderTemplates(sources: Record<string, string>, root: Table): Record<string, string> {
  const defined: Defined = new Map();
  const parsed = Object.entries(sources).map(([name, source]) => [name, parse(source, name, defined)] as const);
  const spent = { steps: 0 };
  return Object.fromEntries(
    parsed
      .filter(([name]) => !name.endsWith('.tpl'))
      .map(([name, parts]) => {
        try {
          return [name, rendered(parts, { defined, root, dot: root, variables: [new Map()], depth: 0, spent })];
        } catch (error) {
          if (isRefusal(error)) throw error;
          throw new Error(`${name}: ${(error as Error).message}`, { cause: error });
        }
      }),
  );
}

function rendered(parts: Part[], scope: Scope): string {
  let output = '';
  for (const part of parts) {
    output += renderers[part.is](part as never, scope);
    scope.spent.steps += 1;
    if (scope.spent.steps > maxSteps) throw new Error(`more than ${maxSteps} steps`);
    if (output.length > maxOutput) throw new Error(`more than ${maxOutput} signs`);
  }
  return output;
}

type PartOf<K extends Part['is']> = Extract<Part, { is: K }>;

const renderers: { [K in Part['is']]: (part: PartOf<K>, scope: Scope) => string } = {
  text: ({ text }) => text,
  output: ({ value }, scope) => printed(evaluated(value, scope)),
  set: ({ name, declares, value }, scope) => {
    const result = evaluated(value, scope);
    const at = declares ? scope.variables.at(-1) : scope.variables.findLast((names) => names.has(name));
    if (at === undefined) throw new Error(`$${name} is not declared`);
    at.set(name, result);
    return '';
  },
  if: ({ value, body, otherwise }, scope) => rendered(isTrue(evaluated(value, scope)) ? body : otherwise, inner(scope)),
  with: ({ value, body, otherwise }, scope) => {
    const result = evaluated(value, scope);
    return isTrue(result) ? rendered(body, inner(scope, result)) : rendered(otherwise, inner(scope));
  },
  range: ({ names, value, body, otherwise }, scope) => {
    const entries = entriesOf(evaluated(value, scope));
    if (entries.length === 0) return rendered(otherwise, inner(scope));
    return entries
      .map(([key, each]) => {
        const within = inner(scope, each);
        const named: [string, Value][] =
          names.length === 2
            ? [
                [names[0]!, key],
                [names[1]!, each],
              ]
            : names.map((name) => [name, each]);
        for (const [name, one] of named) within.variables.at(-1)!.set(name, one);
        return rendered(body, within);
      })
      .join('');
  },
};

function inner(scope: Scope, dot: Value = scope.dot): Scope {
  return { ...scope, dot, variables: [...scope.variables, new Map()] };
}

function entriesOf(value: Value): [Value, Value][] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value.map((each, at) => [at, each]);
  if (isTable(value)) return sortedKeys(value).map((key) => [key, value.get(key)]);
  throw new Error(`range over ${typeof value}`);
}

function evaluated(pipeline: Pipeline, scope: Scope): Value {
  let piped: Value[] = [];
  for (const [first, ...rest] of pipeline) {
    if (first!.is === 'function') piped = [called(first!, rest, piped, scope)];
    else if (rest.length > 0 || piped.length > 0) throw new Error('a value with arguments');
    else piped = [operandValue(first!, scope)];
  }
  return piped[0];
}

function called({ name, fields }: Extract<Operand, { is: 'function' }>, rest: Operand[], piped: Value[], scope: Scope): Value {
  if (fields.length > 0) throw new Error(`a field of the function ${name}`);
  // Go evaluates no further argument of these two than it has to.
  if (name === 'and' || name === 'or') {
    let result: Value;
    for (const operand of rest) {
      result = operandValue(operand, scope);
      if (isTrue(result) === (name === 'or')) break;
    }
    return result;
  }
  const args = [...rest.map((operand) => operandValue(operand, scope)), ...piped];
  if (name === 'include') return included(args, scope);
  if (!Object.hasOwn(functions, name)) throw new Error(`there is no function ${name}`);
  return functions[name]!(...args);
}

function included([name, dot]: Value[], { defined, depth, spent }: Scope): string {
  const parts = typeof name === 'string' ? defined.get(name) : undefined;
  if (parts === undefined) throw new Error(`there is no template ${String(name)}`);
  if (depth >= maxDepth) throw new Error(`templates more than ${maxDepth} deep`);
  return rendered(parts, { defined, root: dot, dot, variables: [new Map()], depth: depth + 1, spent });
}

function operandValue(operand: Operand, scope: Scope): Value {
  return operand.fields.reduce<Value>(
    (value, field) => {
      if (!isTable(value)) throw new Error(`.${field} of ${typeof value}`);
      return value.get(field);
    },
    ofOperand(operand, scope),
  );
}

function ofOperand(operand: Operand, scope: Scope): Value {
  if (operand.is === 'value') return operand.value;
  if (operand.is === 'dot') return scope.dot;
  if (operand.is === 'pipeline') return evaluated(operand.value, scope);
  if (operand.is === 'function') return called(operand, [], [], scope);
  if (operand.name === '') return scope.root;
  const names = scope.variables.findLast((each) => each.has(operand.name));
  if (names === undefined) throw new Error(`$${operand.name} is not declared`);
  return names.get(operand.name);
}

/** Only what Go and we print alike: a number is printed by toJson. */
function printed(value: Value): string {
  if (typeof value === 'string' || typeof value === 'boolean') return String(value);
  throw new Error(`${value === undefined ? 'nothing' : typeof value} where a text is printed`);
}
