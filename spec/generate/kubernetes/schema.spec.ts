import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { parse } from 'yaml';
import { misfit } from '../../../cli/generate/kubernetes/schema.ts';
import { asValue } from '../../../cli/generate/kubernetes/template/values.ts';
import { version } from '../../../cli/version.ts';
import { repo } from '../../support/program.ts';

type Json = ReturnType<typeof JSON.parse>;

const chart = (name: string) => readFileSync(join(repo, 'templates/kubernetes', name), 'utf8');

/** Every value in it that can be another one: how to reach it. */
function places(value: Json, path: string[] = []): string[][] {
  if (typeof value !== 'object' || value === null) return [path];
  return [path, ...Object.keys(value).flatMap((key) => places(value[key], [...path, key]))];
}

function withValue(value: Json, path: string[], other: Json): Json {
  const [key, ...rest] = path;
  if (key === undefined) return other;
  const copy = Array.isArray(value) ? [...value] : { ...value };
  copy[key] = withValue(copy[key], rest, other);
  return copy;
}

describe('the schema of the chart’s values', function () {
  this.timeout(60_000);
  const schema = JSON.parse(chart('values.schema.json'));
  const whole = {
    ...parse(chart('values.yaml')),
    imagePullSecrets: ['a'],
    nodeSelector: { 'a.b/c': 'd' },
    tolerations: [{ key: 'a', operator: 'Equal', value: 'b', effect: 'NoExecute', tolerationSeconds: 1 }],
  };
  whole.canary.request = { bundles: [{ from: 'kata@4.2.0' }], retry: 1 };
  whole.runtimeClasses.handlers = { 'kata-a': { podFixed: { cpu: '1' }, nodeSelector: { a: 'b' } } };
  whole.runtimeClasses.classes = [{ name: 'a', handler: 'b', podFixed: { memory: '1Mi' }, nodeSelector: {}, tolerations: [] }];
  const others: Json[] = [
    null,
    '',
    'a',
    'a b',
    'a\n',
    '\u0000',
    '5%',
    '100%',
    '101%',
    0,
    1,
    -1,
    1.5,
    1e12,
    true,
    [],
    ['a'],
    [1],
    {},
    { a: 'b' },
  ];
  others.push({ 'a b': 'c' }, { 'a/b/c': 'd' }, { a: 1 }, 'x'.repeat(300), '\u{1F600}'.repeat(2100), '\ufeff', `sha256:${'a'.repeat(64)}`);

  it('is judged as Ajv judges it, whatever is put at whichever place', () => {
    const ajv = new Ajv({ strict: true, allowUnionTypes: true });
    const judge = ajv.compile(schema);

    const cases = [whole, ...places(whole).flatMap((path) => others.map((other) => withValue(whole, path, other)))];
    const different = cases.filter((each) => judge(each) !== (misfit(schema, asValue(each)) === undefined));

    assert.deepEqual(different, []);
    assert.ok(cases.length > 2000);
    assert.equal(misfit(schema, asValue(whole)), undefined);
  });

  it('is closed: a table names its keys, or the form of them', () => {
    const tables = places(schema)
      .map((path): Json => path.reduce((value, key) => value[key], schema))
      .filter(({ type }) => type === 'object');

    const open = tables.filter(({ additionalProperties, propertyNames }) => additionalProperties !== false && propertyNames === undefined);

    assert.deepEqual(open, [{ type: 'object' }]);
    assert.ok(tables.length > 15);
  });

  it('has each key of a request, and values.yaml explains each of its own', () => {
    const request = JSON.parse(readFileSync(join(repo, 'schema/request.json'), 'utf8'));
    const said = ['apiVersion', 'kind', 'mode'];

    const { properties } = schema.definitions.request;
    const defaults = parse(chart('values.yaml'));
    assert.deepEqual(
      Object.keys(properties).sort(),
      Object.keys(request.properties)
        .filter((key) => !said.includes(key))
        .sort(),
    );
    assert.deepEqual(Object.keys(defaults.request).sort(), Object.keys(properties).sort());
    assert.deepEqual(
      Object.keys(schema.properties)
        .filter((key) => key !== 'global')
        .sort(),
      Object.keys(defaults).sort(),
    );
  });

  it('belongs to a chart of the program’s version', () => {
    const { version: ofChart, appVersion } = parse(chart('Chart.yaml'));

    assert.deepEqual([ofChart, appVersion], [version, version]);
  });
});
