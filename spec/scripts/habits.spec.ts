import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { verbs } from '../../cli/commands/table/index.ts';
import { version } from '../../cli/version.ts';
import { nodeVersion } from '../../scripts/single/node.ts';

const repo = join(import.meta.dirname, '../..');
const textOf = (path: string) => readFileSync(join(repo, path), 'utf8');

describe('the files that help contributors', () => {
  it('name a Node that the program allows, of the line that the single file has inside', () => {
    const { engines } = JSON.parse(textOf('package.json')) as { engines: { node: string } };
    const least = Number(/^>=(\d+)\./.exec(engines.node)?.[1]);

    const chosen = textOf('.nvmrc').trim();

    assert.equal(chosen, nodeVersion.split('.')[0]);
    assert.ok(Number(chosen) >= least);
  });

  it('give the program one version', () => {
    const paths = ['package.json', 'package-lock.json'];

    const versions = paths.map((path) => (JSON.parse(textOf(path)) as { version: string }).version);

    assert.deepEqual(versions, [version, version]);
  });

  it('ask for issues in forms that GitHub can read, with commands that exist', () => {
    const folder = '.github/ISSUE_TEMPLATE';
    const forms = readdirSync(join(repo, folder)).filter((name) => name !== 'config.yml');
    const known = verbs.map((verb) => verb.name);

    const read = forms.map((name) => ({ text: textOf(`${folder}/${name}`), form: parse(textOf(`${folder}/${name}`)) }));

    assert.deepEqual(forms.sort(), ['bug.yml', 'feature.yml']);
    for (const { text, form } of read) {
      assert.deepEqual(Object.keys(form), ['name', 'description', 'labels', 'body']);
      for (const field of form.body) assert.ok(field.type === 'markdown' ? field.attributes.value : field.id && field.attributes.label);
      const named = [...text.matchAll(/kata-sysext ([a-z]+)/g)].map((match) => match[1]!);
      for (const verb of named.filter((word) => word !== 'version')) assert.ok(known.includes(verb), verb);
    }
    assert.match(textOf(`${folder}/bug.yml`), /kata-sysext report -o report\.md/);
  });
});
