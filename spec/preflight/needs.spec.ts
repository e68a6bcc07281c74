import assert from 'node:assert/strict';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { codes } from '../../cli/errors/index.ts';
import { type HostView, openHost } from '../../cli/host/index.ts';
import { handlerTable, needsOf, needTable } from '../../cli/layout/index.ts';
import { needFindings } from '../../cli/preflight/needs.ts';
import { put } from '../support/trees/hostTrees.ts';
import { scratch } from '../support/trees/treeHost.ts';

/** What makes each need met: written from Kata's and the kernel's documents, not from our table. */
const remedies: [code: string, handler: string, path: string, good: string | undefined, bad: string | undefined][] = [
  ['handler-needs-snp', 'qemu-snp-runtime-rs', 'sys/module/kvm_amd/parameters/sev_snp', 'Y\n', 'N\n'],
  ['handler-needs-snp', 'qemu-nvidia-gpu-snp', 'sys/module/kvm_amd/parameters/sev_snp', 'Y\n', undefined],
  ['handler-needs-tdx', 'qemu-tdx', 'sys/module/kvm_intel/parameters/tdx', 'Y\n', 'N\n'],
  ['handler-needs-se', 'qemu-se', 'sys/firmware/uv/prot_virt_host', '1\n', '0\n'],
  ['handler-needs-iommu', 'qemu-nvidia-gpu-runtime-rs', 'sys/kernel/iommu_groups/0/type', 'DMA\n', undefined],
  ['handler-needs-peer', 'remote', 'run/peerpod/hypervisor.sock', '', undefined],
  ['handler-needs-host-kernel', 'clh-azure', 'usr/share/cloud-hypervisor/vmlinux.bin', 'kernel', undefined],
];

describe('what a handler needs of the host', () => {
  let root: string;
  let live: HostView;

  beforeEach(() => {
    root = scratch('needs');
    live = { ...openHost(root, {}), live: true, booted: true };
  });
  afterEach(() => rmSync(root, { recursive: true }));

  /** Kernel modules have a spec of their own. */
  const told = async (host: HostView, handler: string) =>
    (await needFindings(host, [handler])).map(({ code }) => code).filter((code) => code !== 'handler-needs-module');

  for (const [code, handler, path, good, bad] of remedies) {
    it(`${code}: told for kata-${handler} until /${path} says so`, async () => {
      const bare = await told(live, handler);
      if (bad !== undefined) put(root, path, bad);
      const off = await told(live, handler);
      put(root, path, good!);

      const on = await told(live, handler);

      assert.ok(bare.includes(code) && off.includes(code), `${bare.join()} ${off.join()}`);
      assert.ok(!on.includes(code), on.join());
    });
  }

  it('is told of Firecracker always, and of an offline tree only where a file shows it', async () => {
    const offline = openHost(root, {});
    mkdirSync(join(root, 'dev'));

    assert.deepEqual(await told(live, 'fc'), ['handler-needs-block-devices']);
    assert.deepEqual(await told(offline, 'fc'), ['handler-needs-block-devices']);
    assert.deepEqual(await told(offline, 'qemu-snp'), []);
    assert.deepEqual(await told(offline, 'clh-azure'), ['handler-needs-host-kernel']);
  });

  it('is nothing more for those that bring all they need', async () => {
    for (const handler of ['dragonball', 'clh', 'clh-runtime-rs']) assert.deepEqual(await told(live, handler), [], handler);
  });

  it('is told once for several handlers, with all their names', async () => {
    const found = (await needFindings(live, ['qemu-snp', 'qemu-snp-runtime-rs'])).filter(({ code }) => code === 'handler-needs-snp');

    assert.deepEqual(
      found.map(({ level, subject }) => [level, subject]),
      [['warning', 'kata-qemu-snp, kata-qemu-snp-runtime-rs']],
    );
  });

  it('has a code and a handler for every row, and a row for every confidential or GPU handler', () => {
    for (const need of needTable) {
      assert.ok(codes[need.code] !== undefined, need.code);
      assert.ok(
        handlerTable.handlers.some((row) => needsOf(row).includes(need)),
        need.code,
      );
    }
    const special = handlerTable.handlers.filter(
      ({ name }) => /snp|tdx|-se|gpu|remote|fc|azure$|azure-run/.test(name) && !/openvmm/.test(name),
    );
    for (const row of special) assert.ok(needsOf(row).length > 0, row.name);
  });
});
