import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { goProgram, goProgramAvailable } from '../lab/goPrograms.ts';
import { hasIgnition, hasPolicy, ignitionFiles, VALIDATE } from '../lab/ignition.ts';
import { complaints, labels, parsed, plain, plainUnnamed } from '../support/judges/generated.ts';
import { textFiles } from '../support/textFiles.ts';
import { kernelArguments, made, targets } from './requests.ts';

/** Ignition's own field. OpenShift has one of the operator's (machineConfig.spec.ts), RHEL for Edge none. */
const takesKernelArguments = (target: string) => !target.startsWith('openshift') && target !== 'r4e';
const kernelOf = (target: string) => (takesKernelArguments(target) ? { kernelArguments } : {});

describe('generate', function () {
  this.timeout(900_000);
  const texts = textFiles();

  it('gives the same bytes for the same request', () => {
    for (const kind of ['ignition', 'butane', 'machineconfig', 'containerfile'] as const) {
      const [one, two] = [made(kind, 'openshift-4.18'), made(kind, 'openshift-4.18')];

      assert.deepEqual(one, two);
    }
  });

  for (const target of targets) {
    it(`${target}: Ignition takes it (ignition-validate 2.26)`, async function () {
      const program = await goProgramAvailable('ignition-validate');
      if (!program.ok) {
        console.log(`      ${program.why}`);
        this.skip();
      }

      const judged = spawnSync(await goProgram('ignition-validate'), [
        texts.put('a.ign', made('ignition', target, kernelOf(target))[0]!.text),
      ]);

      assert.deepEqual([judged.status, String(judged.stdout), String(judged.stderr)], [0, '', '']);
    });

    it(`${target}: Butane makes of its form the same configuration (butane 0.29, --strict)`, async function () {
      const program = await goProgramAvailable('butane');
      if (!program.ok) {
        console.log(`      ${program.why}`);
        this.skip();
      }

      const judged = spawnSync(
        await goProgram('butane'),
        ['--strict', '--raw', texts.put('a.bu', made('butane', target, kernelOf(target))[0]!.text)],
        { encoding: 'utf8' },
      );

      const ignition = plain(JSON.parse(made('ignition', target, kernelOf(target))[0]!.text));
      assert.deepEqual([judged.status, judged.stderr], [0, '']);
      assert.deepEqual(plainUnnamed(JSON.parse(judged.stdout)), ignition);
      assert.deepEqual(ignition.kernelArguments, takesKernelArguments(target) ? { shouldExist: kernelArguments } : undefined);
    });
  }

  for (const [name, sign] of [
    ['DEL', '\u007f'],
    ['NEL', '\u0085'],
    ['the line separator', '\u2028'],
    ['the paragraph separator', '\u2029'],
    ['a byte order mark', '\ufeff'],
    ['a control sign', '\u0001'],
    ['a sign of two halves', '\u{1f600}'],
  ]) {
    it(`${name} in a value is the same in every form`, async function () {
      const program = await goProgramAvailable('butane');
      if (!program.ok) {
        console.log(`      ${program.why}`);
        this.skip();
      }
      const more = { installArguments: ['--set', `kernel_params="a${sign}b"`] };

      const judged = spawnSync(await goProgram('butane'), ['--strict', '--raw', texts.put('s.bu', made('butane', 'fcos', more)[0]!.text)], {
        encoding: 'utf8',
      });

      const ignition = plain(JSON.parse(made('ignition', 'fcos', more)[0]!.text));
      assert.deepEqual([judged.status, judged.stderr], [0, '']);
      assert.deepEqual(plain(JSON.parse(judged.stdout)), ignition);
      assert.deepEqual(plain(parsed(made('machineconfig', 'openshift-4.18', more)[0]!.text)['spec'].config).files.length, 1);
      assert.ok(ignition.files[0]!.text.includes(`a${sign}b`));
    });
  }

  for (const target of ['fcos', 'flatcar', 'microos', 'r4e', 'openshift-4.8']) {
    it(`${target}: Debian’s Ignition accepts it and carries it out on a root tree, where systemd has nothing to say against the unit`, async function () {
      if (!hasIgnition()) {
        console.log('      Debian’s ignition is not on this machine: see .ci/packages.txt');
        this.skip();
      }
      const root = join(texts.folder, target);
      mkdirSync(join(root, 'etc'), { recursive: true });
      const config = texts.put('c.ign', made('ignition', target, kernelOf(target))[0]!.text);
      const validated = spawnSync(VALIDATE, [config], { encoding: 'utf8' });
      if (!hasPolicy()) console.log('      labelled by three lines of our own: ../shared/real-data/selinux is not there');

      const asked = await ignitionFiles(config, root);

      assert.deepEqual([validated.status, validated.stdout + validated.stderr], [0, '']);
      assert.deepEqual(asked, takesKernelArguments(target) ? kernelArguments.flatMap((each) => ['--should-exist', each]) : []);
      const script = join(root, 'etc/kata-sysext-first-boot/hook.sh');
      assert.equal(statSync(script).mode & 0o7777, 0o755);
      assert.equal(spawnSync('sh', ['-n', script]).status, 0);
      const unit = 'kata-sysext-first-boot.service';
      assert.match(readFileSync(join(root, 'etc/systemd/system-preset/20-ignition.preset'), 'utf8'), new RegExp(`^enable ${unit}$`, 'm'));
      assert.deepEqual(complaints(join(root, 'etc/systemd/system', unit)), []);
      assert.deepEqual(labels([script, join(root, 'etc/systemd/system', unit)]), ['etc_t', 'systemd_unit_file_t']);
    });
  }
});
