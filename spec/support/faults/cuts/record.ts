import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { cached, digestOf } from '../../../lab/cache.ts';
import { FIRST, SECOND, type TinyOptions, tinyMembers, tinyRelease } from '../../../lab/release/index.ts';
import { run } from '../../../lab/run.ts';
import { bootVm, type FileSystem, GOODS, REFS, record, savedState, type Vm } from '../../../lab/vm/index.ts';
import { singleFile } from '../../singleFile.ts';

/** What is recorded, in this order. */
export const changes = ['install', 'upgrade', 'rollback', 'update', 'uninstall'] as const;
export type Change = (typeof changes)[number];

/**
 * The folder of one recording, `base.raw` and `writes.log`: all changes of one backend on one VM host with a disk of that file system, made once and kept by content. Marks
 * in the log say `begin CHANGE`, `end CHANGE` and, within, each failpoint that the program passed.
 */
export async function recorded(backend: string, fileSystem: FileSystem): Promise<string> {
  const from = await savedState(fileSystem);
  const program = await singleFile();
  const digest = (await run(['sha256sum', program])).stdout.slice(0, 64);
  const members = [FIRST, SECOND].map((version) => JSON.stringify(tinyMembers(release(version))));
  const inputs = [backend, digest, digestOf(members), from.file, readFileSync(import.meta.filename, 'utf8')];
  return await cached('vm-changes', inputs, async (into) => {
    const releases = join(into, 'releases');
    const goods = {
      'kata-sysext': program,
      'first.tar.zst': await tinyRelease(releases, release(FIRST)),
      'second.tar.zst': await tinyRelease(releases, release(SECOND)),
    };
    const vm = await bootVm({ from, goods });
    try {
      await play(vm, backend, into);
    } finally {
      await vm.stop();
      await rm(releases, { recursive: true });
    }
  });
}

async function play(vm: Vm, backend: string, folder: string): Promise<void> {
  const kata = (words: string) =>
    vm.sh(`KATA_SYSEXT_FAILPOINT_LOG=${PIPE} ${GOODS}/kata-sysext ${words} --json --progress none`, { timeoutMs: 1_200_000 });
  const work: Record<Change, () => Promise<unknown>> = {
    install: () => kata(`install ${GOODS}/first.tar.zst --backend ${backend}`),
    upgrade: () => kata(`install ${GOODS}/second.tar.zst`),
    rollback: () => kata('rollback'),
    uninstall: () => kata('uninstall'),
    update: () => vm.sh(`ostree admin deploy --os=debian ${REFS.second}`, { timeoutMs: 1_200_000 }),
  };
  await vm.sh(TRACE);
  const recorder = await record(vm, folder);
  for (const change of changes) {
    await vm.sh('sync');
    await recorder.mark(`begin ${change}`);
    await work[change]();
    await vm.sh('sync');
    await recorder.mark(`end ${change}`);
    // a cut in the uninstall boots what uninstalls
    if (change === 'update') await vm.sh('ostree admin undeploy 0', { timeoutMs: 900_000 });
  }
  await recorder.stop();
}

/** Of a few kilobytes, but for what a payload has to have to be long in coming to the disk: a large file, and many. */
function release(version: string): TinyOptions {
  const bytes = (name: string, length: number) => createHash('shake256', { outputLength: length }).update(`${version} ${name}`).digest();
  const many = Array.from({ length: 40 }, (_, index) => [
    `share/kata-qemu/qemu/rom-${index}.bin`,
    bytes(`rom ${index}`, 1000 + 300 * index),
  ]);
  return { version, files: { ...Object.fromEntries(many), 'share/kata-containers/kata-ubuntu-resolute.image': bytes('image', 4 << 20) } };
}

const PIPE = '/run/lab-trace';
const ROOM = 4 * 1024 * 1024;

/**
 * The failpoints that the program passes become marks in the log of writes: what it writes into a pipe goes to the disk in blocks of
 * 4 KiB, past all caches and into room that was there before, so that nothing is flushed for it. A mark may come some milliseconds late.
 */
const TRACE = `mkfifo ${PIPE}; head -c ${ROOM} /dev/zero > /var/lab-trace; sync
cat > /run/lab-trace.sh <<'EOF'
exec 3<>${PIPE}
while read -r name <&3; do printf 'lab-mark:%-4087s' "$name"; done | dd of=/var/lab-trace bs=4096 iflag=fullblock oflag=direct conv=notrunc status=none
EOF
setsid bash /run/lab-trace.sh > /dev/null 2>&1 < /dev/null &`;
