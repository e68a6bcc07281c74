import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { labFolder } from '../lab/cache.ts';
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
  VERSIONS,
  type Vm,
} from '../lab/vm/index.ts';
import { stopAfter } from '../support/endings.ts';
import { seed } from '../support/sample.ts';

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
