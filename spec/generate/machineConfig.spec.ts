import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { type Generated, type OutputKind, targetNamed } from '../../cli/generate/index.ts';
import { machineConfigLimit } from '../../cli/generate/outputs/machineConfig.ts';
import { goProgram, goProgramAvailable } from '../lab/goPrograms.ts';
import { parsed, plain } from '../support/judges/generated.ts';
import { forbiddenForMachines } from '../support/judges/machineConfigRules.ts';
import { needs } from '../support/needs.ts';
import { textFiles } from '../support/textFiles.ts';
import { against, kernelArguments, made, madeRendered, type Node, openshift, renderedTargets } from './requests.ts';

describe('generate', function () {
  this.timeout(900_000);
  const texts = textFiles();

  const forms = {
    hook: made,
    rendered: (kind: OutputKind, target: string, node: Node) => madeRendered(kind, target, { ...node, against }),
  };
  for (const target of [...openshift, 'okd-4.16', 'okd-4.22']) {
    for (const form of ['hook', ...(renderedTargets.includes(target) ? ['rendered'] : [])] as (keyof typeof forms)[]) {
      it(`${target}, ${form}: a MachineConfig holds nothing that the operator refuses, and is the one that Butane makes`, async function () {
        const program = await goProgramAvailable('butane');
        if (!program.ok) {
          console.log(`      ${program.why}`);
          this.skip();
        }

        const text = forms[form]('machineconfig', target, { kernelArguments })[0]!.text;
        const butane = execFileSync(await goProgram('butane'), [
          '--strict',
          texts.put('b.bu', forms[form]('butane', target, { kernelArguments })[0]!.text),
        ]);

        const [own, theirs] = [parsed(text), parsed(butane.toString())];
        assert.deepEqual(forbiddenForMachines(own, minorOf(target)), []);
        assert.deepEqual(forbiddenForMachines(theirs, minorOf(target)), []);
        assert.deepEqual(own['spec'].kernelArguments, kernelArguments);
        assert.deepEqual(
          { ...own, spec: { ...own['spec'], config: plain(own['spec'].config) } },
          { ...theirs, spec: { ...theirs['spec'], config: plain(theirs['spec'].config) } },
        );
        assert.ok(text.includes(`# ${Buffer.byteLength(JSON.stringify(own))} of 1572864 bytes`));
      });
    }
  }

  it('no other minor version of OpenShift is offered', () => {
    assert.deepEqual([openshift[0], openshift.at(-1), openshift.length], ['openshift-4.8', 'openshift-4.22', 15]);
    for (const name of ['openshift-4.7', 'openshift-4.23', 'okd-4.15', 'okd-4.23', 'okd'])
      assert.throws(() => targetNamed(name), { code: 'usage' });
  });

  it('the policy that spares reboots restarts the unit of a hook, and nothing where it would change nothing', function () {
    needs(this, 'python3-yaml');
    const policyOf = (files: Generated[]) =>
      parsed(files.find(({ name }) => name.endsWith('policy.yaml'))!.text)['spec'].nodeDisruptionPolicy;
    const actionsOf = (policy: { files: { actions: { type: string }[] }[] }) => policy.files[0]!.actions.map(({ type }) => type);

    const hook = actionsOf(policyOf(made('machineconfig', 'openshift-4.18')));
    const rendered = actionsOf(policyOf(madeRendered('machineconfig', 'openshift-4.18', {}, true)));

    assert.deepEqual([hook, rendered], [['DaemonReload', 'Restart'], ['DaemonReload']]);
  });

  it('says whether the policy has to come first: that of a hook spares the first reboot as well', () => {
    const headOf = (files: Generated[]) => files[0]!.text.split('\n').slice(0, 3).join('\n');

    const heads = [
      headOf(made('machineconfig', 'okd-4.19')),
      headOf(madeRendered('machineconfig', 'openshift-4.18', {}, true)),
      headOf(made('machineconfig', 'okd-4.19', { kernelArguments })),
      headOf(madeRendered('machineconfig', 'openshift-4.18')),
    ];

    assert.match(heads[0]!, /policy\.yaml first: then the first installation reboots no node\.$/m);
    assert.match(heads[1]!, /policy\.yaml after it/);
    assert.match(heads[2]!, /Arguments of the kernel reboot/);
    assert.doesNotMatch(heads[3]!, /policy/);
  });

  it('a pool is written for one’s own alone, and says what an apply would do to one that is there', function () {
    needs(this, 'python3-yaml');
    const poolOf = (role: string) => made('machineconfig', 'openshift-4.18', {}, role).find(({ name }) => name.endsWith('pool.yaml'))?.text;

    assert.deepEqual([poolOf('worker'), poolOf('master')], [undefined, undefined]);
    const infra = poolOf('infra')!;
    assert.equal(parsed(infra)['metadata'].name, 'infra');
    assert.match(
      infra,
      /^# Only for a cluster that has no pool infra yet: oc create -f .* an apply\n# would replace the selectors; leave this file out/m,
    );
  });

  it('the checker of the operator’s rules sees what is forbidden', () => {
    const file = {
      path: '/etc/a',
      contents: { source: 'https://x/y', httpHeaders: [], compression: 'gzip' },
      append: [{ source: 'data:,a' }],
      mode: 0o4755,
    };
    const config = {
      ignition: { version: '3.6.0' },
      storage: { files: [file], links: [{ path: '/etc/b' }], directories: [{ path: '/etc/c' }] },
      kernelArguments: { shouldExist: ['a'] },
      passwd: {},
    };
    const large = { ignition: { version: '3.5.0' }, note: 'x'.repeat(1_572_864) };

    const found = forbiddenForMachines({ spec: { config } }, 9);

    assert.deepEqual(found, [
      'ignition.version',
      'storage.links',
      'storage.directories',
      'kernelArguments',
      'passwd',
      '/etc/a: contents.source is no data URL',
      '/etc/a: append',
      '/etc/a: httpHeaders',
      '/etc/a: compression',
      '/etc/a: mode',
    ]);
    assert.equal(forbiddenForMachines({ spec: { config } }, 10).includes('/etc/a: compression'), false);
    assert.match(forbiddenForMachines({ spec: { config: large } }, 18).join(), /^15729\d\d bytes$/);
  });

  it('a MachineConfig that is too large is refused with both numbers', () => {
    const installArguments = ['--set', `kernel_params="${'x'.repeat(machineConfigLimit)}"`];

    assert.throws(
      () => made('machineconfig', 'openshift-4.18', { installArguments }),
      (error: { code?: string; complaint?: { found: string; needed: string } }) =>
        error.code === 'generated-too-large' &&
        /would have \d{7} bytes/.test(error.complaint!.found) &&
        error.complaint!.needed.includes(String(machineConfigLimit)),
    );
  });
});

function minorOf(target: string): number {
  return Number(target.split('.')[1]);
}
