import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Arch, makeSingle } from '../../../scripts/single/make.ts';
import { judgeAvailable, judgeFolder } from '../judge.ts';
import { alive } from '../owners.ts';
import { FIRST, SECOND, sampleRelease } from '../release/index.ts';
import { bootVm, endVm, noteOf, sweepVms, vmsFolder } from './boot.ts';
import { savedState } from './saved.ts';
import { terminalOf } from './ssh.ts';

const NAME = 'lab-vm';

/** Starts the VM host for people; it runs on, with the program, both sample releases and the judge below /mnt. */
export async function startVm(): Promise<void> {
  const built = await mkdtemp(join(tmpdir(), 'kata-sysext-lab-'));
  try {
    await makeSingle(process.arch as Arch, join(built, 'kata-sysext'));
    const [first, second] = [await sampleRelease(FIRST), await sampleRelease(SECOND)];
    const tools = (await judgeAvailable()).ok ? { tools: await judgeFolder() } : {};
    await bootVm({ name: NAME, background: true, goods: { program: built, first: first.folder, second: second.folder, ...tools } });
  } finally {
    await rm(built, { recursive: true });
  }
  console.log(
    `${NAME} runs; /mnt/program/kata-sysext is the program, /mnt/first and /mnt/second have the sample releases. Next: npm run lab -- sh --vm`,
  );
}

/** A command or a shell inside; gives its exit status. */
export async function enterVm(command: string[]): Promise<number> {
  const note = await noteOf(NAME);
  if (note?.qemu === undefined || !alive(note.qemu)) throw new Error('no VM host runs: npm run lab -- start --vm');
  const way = { folder: join(vmsFolder(), NAME), port: note.port ?? 0, key: (await savedState()).disk.key };
  const [program, ...rest] = terminalOf(way, command);
  return spawnSync(program ?? '', rest, { stdio: 'inherit' }).status ?? 1;
}

export async function stopVm(): Promise<void> {
  if (!existsSync(vmsFolder())) return;
  await endVm(NAME);
  await sweepVms();
}
