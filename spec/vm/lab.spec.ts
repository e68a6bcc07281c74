import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { kvmProbe } from '../../scripts/helpers.ts';
import { labFolder } from '../lab/cache.ts';
import { judgeFolder } from '../lab/judge.ts';
import { podOutput, removePod, runPod, waitForCri } from '../lab/pods.ts';
import {
  bootVm,
  type Cut,
  checkDisk,
  derivedState,
  durableAt,
  insideDisk,
  phaseAt,
  REFS,
  type Recording,
  record,
  replay,
  summary,
  unexplained,
  VERSIONS,
  type Vm,
} from '../lab/vm/index.ts';
import { stopAfter } from '../support/endings.ts';
import { seed } from '../support/sample.ts';

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

describe('deployments of a VM host', function () {
  this.timeout(900_000);
  let vm: Vm;

  before(async () => {
    const updated = await derivedState('updated', [REFS.second, 'marker'], async (host) => {
      await host.sh(`ostree admin deploy --os=debian ${REFS.second}; echo first > /etc/lab-deployment; echo both > /var/lab-deployment`, {
        timeoutMs: 1_200_000,
      });
    });
    vm = await bootVm({ from: updated });
  });
  stopAfter(() => vm);

  it('restores a state of its own as it was prepared', async () => {
    const { stdout } = await vm.sh(
      '. /etc/os-release; echo $VERSION_ID; cat /etc/lab-deployment /var/lab-deployment; ls /sysroot/boot/loader/entries | wc -l',
    );

    assert.equal(stdout, `${VERSIONS.first}\nfirst\nboth\n2\n`);
  });

  it('reboots into the new deployment, enforcing, with an /etc of its own and the same /var', async () => {
    await vm.reboot();

    const { stdout } = await vm.sh(
      '. /etc/os-release; echo $VERSION_ID; cat /etc/lab-deployment 2>&1 || true; cat /var/lab-deployment; getenforce',
    );
    assert.equal(stdout, `${VERSIONS.second}\ncat: /etc/lab-deployment: No such file or directory\nboth\nEnforcing\n`);
  });

  it('loses at a power cut what was not flushed at most, and boots the other deployment', async () => {
    await vm.sh('echo flushed > /var/flushed; sync /var/flushed; sync /var');
    await vm.kill();
    await vm.boot({ entry: 1 });

    const { stdout } = await vm.sh(
      '. /etc/os-release; echo $VERSION_ID; cat /etc/lab-deployment /var/flushed; grep -o "ostree=[^ ]*" /proc/cmdline',
    );
    assert.match(stdout, new RegExp(`^${VERSIONS.first}\nfirst\nflushed\nostree=/ostree/boot\\.[01]/debian/[0-9a-f]+/\\d\n$`));
  });
});

describe('a recorded disk', function () {
  this.timeout(900_000);
  const files = 30;
  let folder: string;
  let recording: Recording;

  before(async () => {
    folder = await mkdtemp(join(labFolder(), 'recording-'));
    const vm = await bootVm();
    try {
      const recorder = await record(vm, folder);
      await recorder.mark('one by one');
      await vm.sh(
        `mkdir /var/rec; sync /var; for n in $(seq ${files}); do echo whole $n > /var/rec/$n.tmp; sync /var/rec/$n.tmp; mv /var/rec/$n.tmp /var/rec/$n; sync /var/rec; done`,
      );
      await recorder.mark('without a sync');
      await vm.sh('for n in $(seq 100 200); do echo whole $n > /var/rec/$n; done');
      recording = await recorder.stop();
    } finally {
      await vm.stop();
    }
  });
  after(() => rm(folder, { recursive: true, force: true }));

  it('knows its phases, in the order of the writes', () => {
    const marks = recording.log.entries.flatMap((entry) => entry.mark ?? []);

    assert.deepEqual(marks, ['one by one', 'without a sync']);
  });

  it(`has after each cut all that was flushed before it, whole, and a sound file system (seed ${seed})`, async () => {
    const { log } = recording;
    const lose = (index: number): Cut['lose'] => (index % 3 === 0 ? 'all' : index % 3 === 1 ? 'none' : seed + index);
    const cuts = Array.from({ length: 31 }, (_, index) => ({ at: Math.floor((log.entries.length * index) / 30), lose: lose(index) }));
    const seen: { durable: number; count: number; phase: string }[] = [];

    await replay(recording, cuts, join(folder, 'replay'), async ({ cut, image }) => {
      const texts = await insideDisk(image, async (root) => {
        assert.match(readFileSync(join(root, 'etc/os-release'), 'utf8'), /VERSION_ID="13"/);
        return await Promise.all(
          Array.from({ length: files }, (_, index) => readFile(join(root, `var/rec/${index + 1}`), 'utf8').catch(() => '')),
        );
      });
      const count = texts.indexOf('');
      assert.deepEqual(
        texts.filter((text, index) => text !== '' && text !== `whole ${index + 1}\n`),
        [],
        'each file is whole or absent',
      );
      seen.push({ durable: durableAt(log, cut.at), count: count === -1 ? files : count, phase: phaseAt(log, cut.at) });
      await checkDisk(image);
    });

    assert.equal(seen.at(-1)?.count, files);
    assert.ok(new Set(seen.map(({ count }) => count)).size > 10, 'cuts fall between the files');
    for (const [index, now] of seen.entries()) assert.ok(now.count >= (seen[index - 1]?.count ?? 0) - 1, 'what is flushed stays');
    const unsynced = seen.filter(({ phase }) => phase === 'without a sync');
    assert.ok(
      unsynced.every(({ count }) => count === files),
      'all of the first phase was flushed',
    );
  });
});
