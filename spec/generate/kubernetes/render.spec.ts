import assert from 'node:assert/strict';
import { chartFiles } from '../../../cli/generate/kubernetes/chart.ts';
import { renderTemplates } from '../../../cli/generate/kubernetes/template/render.ts';
import { asValue, type Table } from '../../../cli/generate/kubernetes/template/values.ts';

function rendered(source: string, values: unknown = {}): string {
  return renderTemplates({ 'a.yaml': source }, asValue({ Values: values }) as Table)['a.yaml']!;
}

describe('the renderer of the chart', () => {
  const rows: [title: string, source: string, values: unknown, output: string][] = [
    ['trims white space where a minus sign says so', 'a  \n{{- "b" -}}  \n c {{ "d" }} e', {}, 'abc d e'],
    ['leaves comments out', 'a{{/* {{ b }} */}}c{{- /* d */ -}}  e', {}, 'ace'],
    ['visits a table in the order of its keys', '{{ range $k, $v := .Values }}{{ $k }}={{ $v }} {{ end }}', { b: '2', a: '1' }, 'a=1 b=2 '],
    ['takes the else of an empty list', '{{ range .Values.none }}x{{ else }}y{{ end }}', {}, 'y'],
    ['takes the branch that holds', '{{ if .Values.a }}1{{ else if .Values.b }}2{{ else }}3{{ end }}', { a: [], b: { c: 1 } }, '2'],
    ['changes a variable of the block around', '{{ $a := "1" }}{{ if true }}{{ $a = "2" }}{{ end }}{{ $a }}', {}, '2'],
    [
      'writes JSON as Go does',
      '{{ toJson .Values }}',
      { b: '<&>\u2028é"\\', a: [1, true, null] },
      '{"a":[1,true,null],"b":"\\u003c\\u0026\\u003e\\u2028é\\"\\\\"}',
    ],
    [
      'gives a template its own root',
      '{{ define "t" }}{{ $.x }}{{ .x }}{{ end }}{{ include "t" (dict "x" "1") | nindent 2 }}',
      {},
      '\n  11',
    ],
    ['reads no template in a value', '{{ .Values.a }}', { a: '{{ fail "x" }}' }, '{{ fail "x" }}'],
    ['takes the first argument that decides', '{{ and .Values.a (fail "x") }}{{ or "b" (fail "y") }}', { a: '' }, 'b'],
    ['replaces each occurrence by the very text', '{{ replace "$" "$&" "a$b$" }}', {}, 'a$&b$&'],
  ];
  for (const [title, source, values, output] of rows)
    it(title, () => {
      assert.equal(rendered(source, values), output);
    });

  const wrong: [title: string, source: string, reason: RegExp][] = [
    ['a function that it does not know', '{{ env "HOME" }}', /no function env/],
    ['a function that every object has', '{{ constructor "a" }}', /no function constructor/],
    ['an action that is not closed', 'a {{ "b" ', /not closed/],
    ['a block that is not closed', '{{ if true }}', /ends before else or end/],
    ['an end of nothing', '{{ end }}', /no place/],
    ['template, which prints what include may change', '{{ template "a" . }}', /no place/],
    ['a variable that is not declared', '{{ $a }}', /not declared/],
    ['nothing where a text is printed', '{{ .Values.none }}', /nothing where a text is printed/],
    ['a number, which Go may print in another way', '{{ .Values.n }}', /number where a text is printed/],
    ['a field of a text', '{{ .Values.t.x }}', /\.x of string/],
    ['values of two kinds compared', '{{ eq .Values.n "1" }}', /compared/],
    ['a template that includes itself', '{{ define "t" }}{{ include "t" . }}{{ end }}{{ include "t" . }}', /deep/],
    ['two templates of one name', '{{ define "t" }}{{ end }}{{ define "t" }}{{ end }}', /defined twice/],
    ['a verb of printf that quotes', '{{ printf "%q" "a" }}', /%s/],
    ['an action with a sign that it does not know', '{{ .a + 1 }}', /an action with/],
  ];
  for (const [title, source, reason] of wrong)
    it(`refuses ${title}`, () => {
      assert.throws(() => rendered(source, { n: 1, t: 'text' }), reason);
    });

  it('ends where a template multiplies', () => {
    const level = (n: number) => `{{ define "t${n}" }}{{ range .Values.l }}{{ include "t${n - 1}" $ }}{{ end }}{{ end }}`;
    const bomb = `{{ define "t0" }}x{{ end }}${[1, 2, 3, 4, 5, 6, 7, 8].map(level).join('')}{{ include "t8" . }}`;

    assert.throws(() => rendered(bomb, { l: Array(10).fill('a') }), /more than \d+ (?:steps|signs)/);
  });

  it('refuses a source that is too large, and each file of the chart is far from that', () => {
    const sizes = chartFiles().map(({ text }) => text.length);

    assert.throws(() => rendered('x'.repeat(300_000)), /more than 262144/);
    assert.ok(Math.max(...sizes) < 30_000);
  });
});
