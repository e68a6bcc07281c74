import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { renderObjects } from '../../../cli/generate/kubernetes/manifests.ts';
import { readValues, wholeValues } from '../../../cli/generate/kubernetes/values.ts';
import { goProgram, goProgramAvailable } from '../../lab/goPrograms.ts';
import { repo } from '../../support/program.ts';
import { textFiles } from '../../support/textFiles.ts';
import { fitting, unfit } from './valueFiles.ts';

/** Whatever YAML holds. */
type Parsed = ReturnType<typeof JSON.parse>;

describe('Helm itself', function () {
  this.timeout(1_500_000);
  const texts = textFiles();
  let program: string;

  before(async function () {
    const built = await goProgramAvailable('helm');
    if (!built.ok) {
      console.log(`      ${built.why}`);
      this.skip();
    }
    program = await goProgram('helm');
  });

  function helm(values: string, ...words: string[]) {
    const [verb, ...rest] = words as [string, ...string[]];
    const chart = join(repo, 'templates/kubernetes');
    const args = [
      verb,
      ...(verb === 'template' ? ['kata-sysext'] : []),
      chart,
      '--kube-version',
      '1.37.2',
      ...rest,
      '-f',
      texts.put('values.yaml', values),
    ];
    return spawnSync(program, args, { encoding: 'utf8', env: { HOME: texts.folder, PATH: process.env['PATH'] } });
  }

  function documents(text: string): Parsed[] {
    return parseAllDocuments(text).flatMap((each) => (each.toJS() === null ? [] : [each.toJS()]));
  }

  function sorted(objects: Parsed[]): Parsed[] {
    const name = ({ kind, metadata }: Parsed) => `${kind} ${metadata.name}`;
    return objects.toSorted((a, b) => (name(a) < name(b) ? -1 : 1));
  }

  for (const [title, values] of Object.entries(fitting)) {
    it(`renders the same objects: ${title}`, () => {
      const theirs = helm(values, 'template', '--no-hooks');

      const own = renderObjects(wholeValues(readValues(values, 'values.yaml'), 'values.yaml')).map(({ object }) => object);

      assert.equal(theirs.status, 0, theirs.stderr);
      assert.deepEqual(sorted(own), sorted(documents(theirs.stdout)));
      assert.ok(own.length > 2);
    });
  }

  for (const [title, [values, reason]] of Object.entries(unfit)) {
    it(`refuses the same values: ${title}`, () => {
      const theirs = helm(values, 'template', '--no-hooks');

      const own = () => renderObjects(wholeValues(readValues(values, 'values.yaml'), 'values.yaml'));

      assert.notEqual(theirs.status, 0);
      assert.match(theirs.stderr, reason);
      assert.throws(
        own,
        (error: { code: string; complaint: { found: string } }) => error.code === 'usage' && reason.test(error.complaint.found),
      );
    });
  }

  it('finds nothing to complain about in the chart', () => {
    const linted = helm(fitting['a canary that is ahead']!, 'lint', '--strict');

    assert.equal(linted.status, 0, `${linted.stdout}${linted.stderr}`);
    assert.match(linted.stdout, /1 chart\(s\) linted, 0 chart\(s\) failed/);
  });

  it('gets a hook that sets the mode uninstall in each DaemonSet before anything is deleted', () => {
    const { stdout } = helm(fitting['a canary that is ahead']!, 'template');

    const hooks = documents(stdout).filter(({ metadata }) => metadata.annotations !== undefined);
    const job = hooks.find(({ kind }) => kind === 'Job');
    const patches = JSON.parse(job.spec.template.spec.containers[0].env[1].value) as Record<string, Parsed>;
    const steps = Object.entries(patches).map(([name, { spec }]) => [
      name,
      spec.template.spec.initContainers.map((each: { name: string }) => each.name),
      JSON.parse(spec.template.spec.initContainers[1].env[0].value),
    ]);
    const role = hooks.find(({ kind }) => kind === 'Role');
    assert.deepEqual(hooks.map(({ kind }) => kind).sort(), ['Job', 'Role', 'RoleBinding', 'ServiceAccount']);
    assert.ok(hooks.every(({ metadata }) => metadata.annotations['helm.sh/hook'] === 'pre-delete'));
    const request = { apiVersion: 'kata-sysext/v1', kind: 'Request', mode: 'uninstall' };
    assert.deepEqual(steps, [
      ['kata-sysext', ['unlabel', 'change'], request],
      ['kata-sysext-canary', ['unlabel', 'change'], request],
    ]);
    assert.deepEqual(role.rules[0].resourceNames, ['kata-sysext', 'kata-sysext-canary']);
  });
});
