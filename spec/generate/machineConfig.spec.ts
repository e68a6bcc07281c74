import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import type { Generated } from '../../cli/generate/index.ts';
import { machineConfigLimit } from '../../cli/generate/machineConfig.ts';
import { goProgram, goProgramAvailable } from '../lab/goPrograms.ts';
import { parsed, plain } from '../support/generated.ts';
import { forbiddenForMachines } from '../support/machineConfigRules.ts';
import { textFiles } from '../support/textFiles.ts';
import { made, madeRendered, openshift } from './requests.ts';

describe('generate', function () {
  this.timeout(900_000);
  const texts = textFiles();

  for (const target of openshift) {
    it(`${target}: a MachineConfig holds nothing that the operator refuses, and is the one that Butane makes`, async function () {
      const program = await goProgramAvailable('butane');
      if (!program.ok) {
        console.log(`      ${program.why}`);
        this.skip();
      }
      const kernelArguments = ['intel_iommu=on', 'hugepages=64'];

      const own = parsed(made('machineconfig', target, { kernelArguments })[0]!.text);
      const butane = execFileSync(await goProgram('butane'), [
        '--strict',
        texts.put('b.bu', made('butane', target, { kernelArguments })[0]!.text),
      ]);

      assert.deepEqual(forbiddenForMachines(own), []);
      const theirs = parsed(butane.toString());
      assert.deepEqual({ ...own, spec: undefined }, { ...theirs, spec: undefined });
      assert.deepEqual(own['spec'].kernelArguments, theirs['spec'].kernelArguments);
      assert.deepEqual(plain(own['spec'].config), plain(theirs['spec'].config));
    });
  }

  it('the policy that spares reboots restarts the unit of a hook, and nothing where it would change nothing', () => {
    const policyOf = (files: Generated[]) =>
      parsed(files.find(({ name }) => name.endsWith('policy.yaml'))!.text)['spec'].nodeDisruptionPolicy;
    const actionsOf = (policy: { files: { actions: { type: string }[] }[] }) => policy.files[0]!.actions.map(({ type }) => type);

    const hook = actionsOf(policyOf(made('machineconfig', 'openshift-4.18')));
    const rendered = actionsOf(policyOf(madeRendered('machineconfig', 'openshift-4.18', {}, true)));

    assert.deepEqual([hook, rendered], [['DaemonReload', 'Restart'], ['DaemonReload']]);
  });

  it('the checker of the operator’s rules sees what is forbidden', () => {
    const file = { path: '/etc/a', contents: { source: 'https://x/y' }, append: [{ source: 'data:,a' }], mode: 0o4755 };
    const config = {
      storage: { files: [file], links: [{ path: '/etc/b' }], directories: [{ path: '/etc/c' }] },
      kernelArguments: { shouldExist: ['a'] },
    };

    const found = forbiddenForMachines({ spec: { config } });

    assert.deepEqual(found, [
      'storage.links',
      'storage.directories',
      'kernelArguments',
      '/etc/a: contents.source is no data URL',
      '/etc/a: append',
      '/etc/a: mode',
    ]);
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
