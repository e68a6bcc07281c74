import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
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

describe('npm run', () => {
  it('spec runs the file that it is given, and of it what -g asks for', () => {
    const npm = ['run', '--silent', 'spec', '--', 'spec/scripts/schemas.spec.ts', '-g', 'named after', '--reporter', 'json'];

    const ran = spawnSync('npm', npm, { cwd: repo, encoding: 'utf8' });

    const { stats } = JSON.parse(ran.stdout) as { stats: { tests: number; passes: number } };
    assert.deepEqual([ran.status, stats.tests, stats.passes], [0, 1, 1]);
  });

  it('dev runs the verb from the sources and waits for a change of them', async () => {
    const npm = spawn('npm', ['run', '--silent', 'dev', '--', 'version'], {
      cwd: repo,
      detached: true,
      stdio: ['ignore', 'pipe', 'inherit'],
    });

    const [printed] = (await once(npm.stdout, 'data')) as [Buffer];
    const waited = npm.exitCode === null;
    process.kill(-npm.pid!, 'SIGTERM');
    await once(npm, 'close');

    assert.equal(String(printed), `${version}\n`);
    assert.ok(waited);
  });
});
