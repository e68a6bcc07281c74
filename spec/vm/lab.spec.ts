import assert from 'node:assert/strict';
import { kvmProbe } from '../../scripts/helpers.ts';
import { judgeFolder } from '../lab/judge.ts';
import { podOutput, removePod, runPod, waitForCri } from '../lab/pods.ts';
import { bootVm, summary, unexplained, type Vm } from '../lab/vm/index.ts';
import { stopAfter } from '../support/endings.ts';

describe('the VM lab, without the product', function () {
  this.timeout(900_000);
  let vm: Vm;

  before(async () => {
    vm = await bootVm({ goods: { tools: await judgeFolder() } });
    await waitForCri(vm);
  });
  stopAfter(() => vm);

  it('enforces, has a read-only /usr of an ostree deployment, the links of Fedora CoreOS, and no Node', async () => {
    const { stdout } = await vm.sh(
      'getenforce; touch /usr/x 2>&1 || true; readlink /opt /usr/local /root; ostree admin status | head -2; ls /usr/bin | grep -c "^node" || true',
    );

    assert.match(
      stdout,
      /^Enforcing\n.*Read-only file system\nvar\/opt\n\.\.\/var\/usrlocal\nvar\/roothome\n\* debian [0-9a-f]+\.0\n +Version: 13\n0\n$/s,
    );
  });

  it('has a KVM that runs the guest of the probe while its module is loaded', async () => {
    const script =
      'base64 -d >/var/tmp/probe; chmod 700 /var/tmp/probe; modprobe kvm_amd; /var/tmp/probe; modprobe -r kvm_amd; /var/tmp/probe || echo $?';

    const { stdout } = await vm.run(['sh', '-c', script], { input: kvmProbe('x64').toString('base64') });

    assert.equal(stdout, 'ok\nopen errno 2\n1\n');
  });

  it('denies executable memory, as Debian’s policy does by itself', async () => {
    const { stdout } = await vm.sh('getsebool allow_execmem');

    assert.equal(stdout, 'allow_execmem --> off\n');
  });

  it('passes exit codes, input and words with quotes through', async () => {
    const ran = await vm.run(['sh', '-c', 'cat; printf "%s|" "$@"; exit 7', 'sh', "it's", 'a b', '$HOME'], {
      input: 'in ',
      allowFailure: true,
    });

    assert.deepEqual([ran.code, ran.stdout], [7, "in it's|a b|$HOME|"]);
  });

  it('sees a denial and who caused it', async () => {
    const since = await vm.cursor();
    const ran = await vm.sh('cp /usr/bin/cat /var/tmp/provoke; runcon -t container_t -l s0 /var/tmp/provoke /etc/shadow', {
      allowFailure: true,
    });
    const denials = unexplained(await vm.denials(since));

    assert.notEqual(ran.code, 0);
    assert.ok(
      denials.some((denial) => denial.target === 'container_t' || denial.path.includes('provoke')),
      summary(denials).join('\n'),
    );
  });

  it('has no denial that the table of noise does not explain: a boot, a pod, a restart of the engine, a reload of systemd', async () => {
    const before = unexplained(await vm.denials()).filter((denial) => !denial.path.includes('provoke') && denial.target !== 'container_t');
    const since = await vm.cursor();

    const pod = await runPod(vm, '', 'control');
    const said = await podOutput(vm, pod, 'cat /proc/self/attr/current');
    await removePod(vm, pod);
    await vm.sh('systemctl restart containerd; systemctl daemon-reload');

    assert.match(said, /:container_t:/);
    assert.deepEqual(summary([...before, ...unexplained(await vm.denials(since))]), []);
  });

  it('hides nothing behind dontaudit rules', async () => {
    const denials = await vm.denials();

    assert.ok(denials.some((denial) => denial.permissions.includes('noatsecure')));
  });
});
