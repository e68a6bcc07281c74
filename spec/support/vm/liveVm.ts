import { basename, dirname } from 'node:path';
import { judgeFolder } from '../../lab/judge.ts';
import { waitForCri } from '../../lab/pods.ts';
import { FIRST, type SampleRelease, SECOND, sampleRelease } from '../../lab/release/index.ts';
import type { Ran } from '../../lab/run.ts';
import { bootVm, type Vm, type VmOptions } from '../../lab/vm/index.ts';
import { programOn } from '../live/liveHost.ts';
import { singleFile } from '../singleFile.ts';

export interface LiveVm {
  host: Vm;
  first: SampleRelease;
  second: SampleRelease;
  /** path inside of an archive of a release */
  bundle(release: SampleRelease): string;
  kata(args: string[], env?: Record<string, string>): Promise<Ran>;
  /** the same with --json; throws on another status */
  json(args: string[], wanted?: number): Promise<Record<string, unknown>>;
}

/** What a VM host needs of the machine for a whole round: the single file, both sample releases and the judge. */
async function roundGoods(): Promise<Record<string, string>> {
  const [first, second] = [await sampleRelease(FIRST), await sampleRelease(SECOND)];
  return {
    program: dirname(await singleFile()),
    tools: await judgeFolder(),
    [`first/${basename(first.static)}`]: first.static,
    [`second/${basename(second.static)}`]: second.static,
  };
}

/** A VM host with all that a round needs, from a saved state unless the options say otherwise. */
export async function liveVm(options: VmOptions = {}): Promise<LiveVm> {
  const [first, second] = [await sampleRelease(FIRST), await sampleRelease(SECOND)];
  const host = await bootVm({ ...options, goods: { ...(await roundGoods()), ...options.goods } });
  await waitForCri(host, undefined, 600_000);
  return {
    host,
    first,
    second,
    bundle: (release) => `/mnt/${release === first ? 'first' : 'second'}/${basename(release.static)}`,
    ...programOn(host, 1_200_000),
  };
}
