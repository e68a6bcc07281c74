import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { run } from '../../../lab/run.ts';
import { GOODS, insideDisk, type Vm } from '../../../lab/vm/index.ts';
import { singleFile } from '../../singleFile.ts';

const JUDGE = 'sh /run/judge/judge.sh';

/** What the judge says of a host, and what can be done in it. */
export interface Judged {
  /** what would be wrong if it booted now, without our program; `known`: the payloads that may be active, as `active` tells them */
  bootable(known: string): Promise<string[]>;
  active(): Promise<string>;
  open(): Promise<string>;
  state(): Promise<string>;
  /** our program as the boot runs it, twice; in a host that runs, as people run it */
  recover(): Promise<void>;
}

/** The same judge in a host that was booted from such a disk; its goods have the program, for hosts to which it was not copied yet. */
export async function insideBoot(vm: Vm): Promise<Judged> {
  await vm.sh('mkdir -p /run/judge; cat > /run/judge/judge.sh', { input: readFileSync(join(import.meta.dirname, 'judge.sh'), 'utf8') });
  const sh = async (script: string) => (await vm.sh(script, { timeoutMs: 900_000 })).stdout;
  return judgedBy(sh, async () => {
    await sh(`for own in /usr/local/libexec/kata-sysext/bin/*/kata-sysext ${GOODS}/kata-sysext; do
if [ -x "$own" ]; then "$own" recover --wait 60 --progress none; break; fi; done`);
  });
}

/** Mounts a replayed disk, and judges the deployment that it would boot. */
export async function insideCut<T>(image: string, work: (judged: Judged) => Promise<T>): Promise<T> {
  const program = await singleFile();
  return await insideDisk(image, async (root) => {
    const view = ['unshare', '--mount', '--propagation', 'private', '--pid', '--fork', 'sh', join(import.meta.dirname, 'inside.sh')];
    const sh = async (script: string) => (await run([...view, root, program, script], { timeoutMs: 900_000 })).stdout;
    // the copy that lies on the disk, and only where the cut came before it, the one that would have been copied
    const settle = `for own in /usr/local/libexec/kata-sysext/bin/*/kata-sysext /run/kata-sysext-program; do
if [ -x "$own" ]; then for time in 1 2; do "$own" recover --boot recover; done; break; fi; done`;
    return await work(
      judgedBy(sh, async () => {
        await sh(settle);
      }),
    );
  });
}

function judgedBy(sh: (script: string) => Promise<string>, recover: () => Promise<void>): Judged {
  return {
    bootable: async (known) => {
      // an empty list says nothing
      const said = await sh(`cat > /run/judge/known <<'EOF'\n${known === '' ? '' : `${known}\n`}EOF\n${JUDGE} bootable /run/judge/known`);
      return said.split('\n').filter((line) => line !== '');
    },
    active: async () => (await sh(`${JUDGE} active`)).trim(),
    open: async () => (await sh(`${JUDGE} open || true`)).trim(),
    state: async () => (await run(['python3', join(import.meta.dirname, 'records.py')], { input: await sh(`${JUDGE} state`) })).stdout,
    recover,
  };
}
