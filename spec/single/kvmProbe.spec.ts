import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { kvmSteps } from '../../cli/facts/index.ts';
import { kvmProbe } from '../../scripts/helpers.ts';
import { type Arch, archs } from '../../scripts/single/node.ts';
import { type Ran, run } from '../lab/run.ts';
import { singleFiles } from '../support/singleFile.ts';

/**
 * In a mount namespace of its own: /dev with what $1 makes of KVM's device, and $2 noexec wherever a helper could lie; then the program,
 * brought to a place that these mounts do not hide. $3 the program, then its words.
 */
const enter = `set -e
mount -t tmpfs none /mnt
cp "$3" /mnt/program
mkdir /mnt/dev
for node in null zero random urandom; do cp -a /dev/$node /mnt/dev/; done
case $1 in
  none) ;;
  null) mknod /mnt/dev/kvm c 1 3 ;;
  pipe) mkfifo /mnt/dev/kvm ;;
  file) : >/mnt/dev/kvm ;;
  folder) mkdir /mnt/dev/kvm ;;
  nodriver) mknod /mnt/dev/kvm c 10 254 ;;
esac
mount --bind /mnt/dev /dev
if [ "$2" = noexec ]; then
  for place in /run /tmp /var/tmp; do mount -t tmpfs -o noexec none $place; done
fi
shift 3
exec /mnt/program "$@"`;

interface Found {
  code: string;
  level: string;
  found: string;
}

describe('the KVM probe', function () {
  this.timeout(900_000);
  let folder: string;
  const probes = {} as Record<Arch, string>;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-probe-'));
    for (const arch of archs) {
      probes[arch] = join(folder, arch);
      writeFileSync(probes[arch], kvmProbe(arch), { mode: 0o755 });
    }
  });
  after(() => rmSync(folder, { recursive: true }));

  const beside = (device: string, program: string, words: string[] = [], noexec = '') =>
    run(['unshare', '--mount', 'sh', '-c', enter, 'sh', device, noexec, program, ...words], { allowFailure: true });

  for (const arch of archs) {
    it(`for ${arch} is a static program of at most 4 kB that is the same when it is made again, and lies in the single file`, async () => {
      const { stdout } = await run(['readelf', '--program-headers', '--sections', '--dynamic', '--wide', probes[arch]]);
      const bytes = readFileSync(probes[arch]);
      const file = readFileSync((await singleFiles())[arch]);

      assert.doesNotMatch(stdout, /INTERP|NEEDED|\.note|\.comment|\.symtab| RWE /);
      assert.ok(bytes.length <= 4096, `${bytes.length} bytes`);
      assert.ok(kvmProbe(arch).equals(bytes));
      assert.ok(file.includes(bytes.toString('base64')));
    });
  }

  it('for arm64 runs, and says in the emulator, which knows no KVM, which step failed', async () => {
    const ran = await run(['qemu-aarch64-static', probes.arm64], { allowFailure: true });

    const step = kvmSteps[ran.code - 1];
    assert.ok(step === 'open' || step === 'api-version', ran.stdout);
    assert.match(ran.stdout, new RegExp(`^${step} errno \\d+\n$`));
  });

  it('answers at once and truly to whatever is in the place of the device', async () => {
    const rows: [device: string, code: number, line: string][] = [
      ['none', 1, 'open errno 2\n'],
      ['folder', 1, 'open errno 21\n'],
      ['nodriver', 1, 'open errno 19\n'],
      ['null', 2, 'api-version errno 25\n'],
      ['pipe', 2, 'api-version errno 25\n'],
      ['file', 2, 'api-version errno 25\n'],
    ];

    const ran = [];
    for (const [device] of rows) ran.push(await beside(device, probes.x64));

    assert.deepEqual(
      ran.map(({ code, stdout }) => [code, stdout]),
      rows.map(([, code, line]) => [code, line]),
    );
  });

  it('finds on the KVM of this machine either a guest that ran, or the step at which it did not', async () => {
    const ran = await run([probes.x64], { allowFailure: true });

    console.log(`      this machine: ${ran.stdout.trim()}`);
    if (ran.code === 0) return assert.equal(ran.stdout, 'ok\n');
    const step = kvmSteps[ran.code - 1];
    assert.match(ran.stdout, new RegExp(`^${step} (errno \\d+|reason \\d+ \\d+)\n$`));
  });

  describe('asked by check', () => {
    const findings = (ran: Ran): Found[] => {
      const all = (JSON.parse(ran.stdout) as { findings: Found[] }).findings;
      return all.filter(({ code }) => code.startsWith('host-no-kvm') || code.startsWith('host-kvm-'));
    };
    let file: string;

    before(async () => {
      file = (await singleFiles()).x64;
    });

    it('is a finding of its own where the device opens and is none', async () => {
      const [found, ...rest] = findings(await beside('null', file, ['check', '--json']));

      assert.deepEqual(rest, []);
      assert.deepEqual([found?.code, found?.level], ['host-kvm-no-guest', 'warning']);
      assert.match(found!.found, /\(step api-version, errno 25, ENOTTY\)/);
    });

    it('is not asked where there is no device, which is another finding', async () => {
      const found = findings(await beside('none', file, ['check', '--json']));

      assert.deepEqual(
        found.map(({ code }) => code),
        ['host-no-kvm'],
      );
    });

    it('says so where no folder lets a program run', async () => {
      const [found, ...rest] = findings(await beside('null', file, ['check', '--json'], 'noexec'));

      assert.deepEqual(rest, []);
      assert.deepEqual([found?.code, found?.level], ['host-kvm-unasked', 'info']);
      assert.match(found!.found, /\/run: EACCES, \/dev\/shm: ENOENT, \/tmp: EACCES, \/var\/tmp: EACCES/);
    });
  });
});
