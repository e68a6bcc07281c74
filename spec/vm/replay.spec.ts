import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { labFolder } from '../lab/cache.ts';
import { judgeFolder } from '../lab/judge.ts';
import { podOutput, removePod, runPod, waitForCri } from '../lab/pods.ts';
import { bootVm, checkDisk, type Denial, type FileSystem, replay, savedState, summary, unexplained, type Vm } from '../lab/vm/index.ts';
import { type Known, knownStates, sideOf } from '../support/faults/cuts/known.ts';
import { changes } from '../support/faults/cuts/record.ts';
import { type Place, phases, placesOf, type Scenario, scenarioOf } from '../support/faults/cuts/scenario.ts';
import { insideBoot, insideCut, type Judged } from '../support/faults/cuts/view.ts';
import { planned } from '../support/plan.ts';
import { seed } from '../support/sample.ts';
import { singleFile } from '../support/singleFile.ts';

const count = Number(process.env['KATA_SYSEXT_CUTS'] ?? (process.env['KATA_SYSEXT_ALL'] === '1' ? 1000 : 10));

/** Each takes minutes of an emulated machine: one a run, of a place that the seed draws. */
const boots = Number(process.env['KATA_SYSEXT_BOOTS'] ?? (process.env['KATA_SYSEXT_ALL'] === '1' ? 30 : 1));

// Of the two that such hosts have; xfs is rarer, because it needs a disk and a recording of its own.
const own = process.env['KATA_SYSEXT_DISK'] as FileSystem | undefined;
const fileSystems = own === undefined ? new Set(planned<FileSystem>(import.meta.url, ['ext4', 'ext4', 'xfs'], 1)) : [own];

for (const fileSystem of fileSystems)
  describe(`power cuts in a recorded host, replayed (${fileSystem}, seed ${seed})`, function () {
    this.timeout(1_800_000 + count * 15_000 + boots * 300_000);
    let folder: string;
    let scenario: Scenario;
    let known: Known;

    before(async () => {
      folder = await mkdtemp(join(labFolder(), 'replaying-'));
      scenario = await scenarioOf('sysext', fileSystem);
      known = await knownStates(scenario, join(folder, 'states'));
    });
    after(() => rm(folder, { recursive: true, force: true }));

    it(`${count} cuts: the disk boots without our program, and what recovers it makes it exactly the old host or the new one`, async () => {
      const places = placesOf(scenario, count, seed);
      const byCut = new Map(places.map((place) => [place.cut, place]));
      const wrong: string[] = [];
      const results: Record<string, number> = {};
      let judged = 0;

      await replay(scenario.recording, [...byCut.keys()], join(folder, 'cuts'), async ({ cut, image }) => {
        const place = byCut.get(cut)!;
        const found = await insideCut(image, (host) => judge(host, place, known)).catch((error: unknown) => [String(error)]);
        const result = found.length === 1 ? found[0]! : 'wrong';
        await checkDisk(image, fileSystem);
        if (!['old', 'new'].includes(result)) wrong.push(`${JSON.stringify(place)}: ${found.join('; ')}`);
        results[result] = (results[result] ?? 0) + 1;
        judged += 1;
        if (judged % 50 === 0) console.log(`      ${judged} of ${places.length} cuts: ${JSON.stringify(results)}`);
      });

      console.log(histogram(places), results);
      assert.deepEqual(wrong, []);
      if (count >= 1000) {
        assert.ok(places.filter(({ unflushed }) => unflushed).length >= 300);
        for (const phase of phases) assert.ok(places.filter((place) => place.phase === phase).length >= 20, phase);
      }
    });

    it(`boots after a cut (${boots}): runc runs, the guard makes it the old host or the new one, nothing is denied`, async () => {
      const places = placesOf(scenario, boots, seed + 1);
      const byCut = new Map(places.map((place) => [place.cut, place]));
      const { key } = (await savedState(fileSystem)).disk;
      const goods = { tools: await judgeFolder(), 'kata-sysext': await singleFile() };
      const wrong: string[] = [];

      await replay(scenario.recording, [...byCut.keys()], join(folder, 'boots'), async ({ cut, image }) => {
        const place = byCut.get(cut)!;
        const vm = await bootVm({ disk: { file: image, key }, goods });
        try {
          const found = await booted(vm, place, known);
          console.log(`      ${place.change} ${place.phase}: ${found.join('; ')}`);
          if (!['old', 'new'].includes(found.join())) wrong.push(`${JSON.stringify(place)}: ${found.join('; ')}`);
        } finally {
          await vm.stop();
        }
      });

      assert.deepEqual(wrong, []);
    });
  });

/** 'old' or 'new', or in words what is wrong. */
async function judge(judged: Judged, { change }: Place, known: Known): Promise<string[]> {
  const before = await judged.bootable(known.payloads);
  await judged.recover();
  const after = await judged.bootable(known.payloads);
  const open = await judged.open();
  const problems = [
    ...before.map((problem) => `before: ${problem}`),
    ...after.map((problem) => `after: ${problem}`),
    ...(open === '' ? [] : [`open: ${open}`]),
  ];
  return problems.length > 0 ? problems : sideOf(await judged.state(), change, known);
}

/** The same of a host that booted by itself, SELinux enforcing. An open journal is its own guard's to settle, where that was there yet. */
async function booted(vm: Vm, { change }: Place, known: Known): Promise<string[]> {
  await waitForCri(vm, undefined, 900_000);
  // the blessing is the last thing that the guard does
  await vm.sh(
    'systemctl is-system-running --wait > /dev/null || true; for n in $(seq 1200); do systemctl is-active -q kata-sysext-confirm.service || break; sleep 0.5; done',
  );
  const pod = await runPod(vm, '', 'plain');
  const said = await podOutput(vm, pod, 'cat /proc/self/attr/current');
  await removePod(vm, pod);
  const judged = await insideBoot(vm);
  const guarded = (await vm.sh('[ ! -e /etc/systemd/system/kata-sysext-recover.service ] || echo yes')).stdout.trim() === 'yes';
  const before = await judged.bootable(known.payloads);
  const open = await judged.open();
  const settled = (await vm.sh('systemctl show -P ExecMainStartTimestampMonotonic kata-sysext-recover')).stdout.trim() !== '0';
  // Where no guard was yet all goes with the next command. Where systemd skipped it, nothing was open: then only what no journal names.
  if (!guarded || !settled) await judged.recover();
  const problems = [
    ...before.map((problem) => `before: ${problem}`),
    ...(await judged.bootable(known.payloads)),
    ...(guarded && open !== '' ? [`the guard left ${open}`] : []),
    ...(said.includes(':container_t:') ? [] : [`runc's pod runs as ${said}`]),
    ...summary(unexplained(await ofThisBoot(vm))),
    ...(
      await vm.sh(
        'for place in /etc /usr/share /usr/lib/extension-release.d /var/usrlocal /var/lib/kata-sysext; do [ ! -e $place ] || restorecon -Rnv $place 2>&1; done | grep -i kata || true',
      )
    ).stdout
      .split('\n')
      .filter((line) => line !== ''),
  ];
  return problems.length > 0 ? problems : sideOf(await judged.state(), change, known);
}

/** The log on the disk also has those of the recorded host. */
async function ofThisBoot(vm: Vm): Promise<Denial[]> {
  const since = Number((await vm.sh("sed -n 's/^btime //p' /proc/stat")).stdout);
  return (await vm.denials()).filter(({ records }) => Number(/\baudit\((\d+)/.exec(records)?.[1] ?? since) >= since);
}

function histogram(places: readonly Place[]): string {
  const row = (name: string, some: readonly Place[]) =>
    `${name} ${some.length} (${some.filter(({ unflushed }) => unflushed).length} un-flushed)`;
  const rows = [
    ...phases.map((phase) => [phase, places.filter((place) => place.phase === phase)] as const),
    ...changes.map((change) => [change, places.filter((place) => place.change === change)] as const),
    ['all', places] as const,
  ];
  return rows.map(([name, some]) => row(name, some)).join(', ');
}
