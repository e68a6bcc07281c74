import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { digestOf } from '../../cli/host/index.ts';
import { sampleRelease, tinyRelease } from '../lab/release/index.ts';
import { sha256 } from '../support/digests.ts';
import {
  assertDumped,
  type Content,
  dumpingErofs,
  labelsOf,
  labelsSeen,
  ownersAndTimes,
  seenOf,
  treeSeen,
  unpacked,
  whileMounted,
} from '../support/judges/images.ts';
import { spdxFaults } from '../support/judges/spdx.ts';
import { json, program, run } from '../support/program.ts';
import { scratch } from '../support/trees/treeHost.ts';

const formats = ['squashfs', 'erofs'] as const;

describe('build and inspect', function () {
  this.timeout(900_000);
  let folder: string;
  let bundle: string;
  const at = (name: string) => join(folder, name);

  before(async () => {
    folder = scratch('build');
    bundle = await tinyRelease(at('release'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  for (const format of formats) {
    it(`${format}: labels, modes, links and digests read back by its own tools and by a mount equal the manifest`, async () => {
      const file = at(`read.${format}`);
      await json(['build', bundle, '-o', file, '--format', format], 0, { env: { SOURCE_DATE_EPOCH: '1767225600' } });
      const { contents, ...image } = (await json(['inspect', file, '-v'])) as { contents: Content[]; [name: string]: unknown };

      const mounted = whileMounted(format, file, (tree) => ({
        tree: treeSeen(tree),
        labels: labelsSeen(tree),
        owners: ownersAndTimes(tree),
      }));
      const tools = unpacked(format, file, (tree) => ({
        tree: treeSeen(tree),
        // fsck.erofs of erofs-utils 1.5 unpacks no labels; spec/single/images.spec.ts asks newer ones.
        labels: format === 'squashfs' ? labelsSeen(tree) : undefined,
        time: statSync(join(tree, 'usr/share/kata/VERSION')).mtimeMs,
      }));
      assert.deepEqual(mounted.tree, seenOf(contents));
      assert.deepEqual(tools.tree, seenOf(contents));
      assert.equal(tools.time, 1767225600_000);
      assert.deepEqual(mounted.labels, labelsOf(contents));
      if (tools.labels !== undefined) assert.deepEqual(tools.labels, labelsOf(contents));
      assert.deepEqual(mounted.owners, ['0:0 1767225600']);
      assert.equal(image['digest'], `sha256:${sha256(readFileSync(file))}`);
      assert.equal(image['sizeBytes'], statSync(file).size);
      assert.equal(statSync(file).size % 4096, 0);
      assert.ok(contents.some(({ kind }) => kind === 'symlink'));
      assert.deepEqual(
        contents.map(({ path }) => path.split('/').slice(0, 3).join('/')).filter((path, index, all) => all.indexOf(path) === index),
        [
          ...['usr', 'usr/lib', 'usr/lib/extension-release.d', 'usr/share', 'usr/share/kata'],
          ...['usr/share/licenses', 'usr/share/os-manifests'],
        ],
      );
    });

    it(`${format}: the same bytes from another folder, file system, user, time zone and umask`, async () => {
      const first = at(`a.${format}`);
      await json(['build', bundle, '-o', first, '--format', format]);
      const [away, shared] = [scratch('elsewhere'), at(`shared-${format}`)];
      mkdirSync(join(away, 'deep/er'), { recursive: true });
      mkdirSync(shared);
      copyFileSync(bundle, join(shared, basename(bundle)));
      cpSync(dirname(program()), join(shared, 'program'), { recursive: true });
      chmodSync(join(shared, 'program'), 0o755);
      chmodSync(folder, 0o755);
      for (const path of [shared, away, join(away, 'deep'), join(away, 'deep/er')]) chownSync(path, 65534, 65534);
      const others: [file: string, wrapper: string[]][] = [
        [join(away, 'deep/er/b.raw'), ['sh', '-c', 'umask 0077; exec "$@"', 'sh', 'env', 'TZ=Asia/Kathmandu', 'LANG=tr_TR.UTF-8']],
        [`/dev/shm/kata-sysext-${process.pid}.raw`, ['sh', '-c', 'umask 0000; exec "$@"', 'sh']],
      ];

      for (const [file, wrapper] of others) await json(['build', bundle, '-o', file, '--format', format], 0, { wrapper });
      const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups', 'env', 'HOME=/', process.execPath];
      const plain = join(away, 'deep/er/nobody.raw');
      const script = join(shared, 'program', basename(program()));
      const build = ['build', join(shared, basename(bundle)), '-o', plain, '--format', format, '--progress', 'none'];
      const ran = tried('setpriv', [...nobody, script, ...build]);

      const digest = sha256(readFileSync(first));
      for (const [file] of others) assert.equal(sha256(readFileSync(file)), digest, file);
      for (const [file] of others) assert.equal(statSync(file).mode & 0o777, 0o644);
      rmSync(others[1]![0]);
      if (ran !== undefined) {
        // Kernels differ in whom they let set a label; mksquashfs before 4.6 needs that.
        console.log(`      as another user, with this mksquashfs: ${ran.split('\n')[0]}`);
        assert.match(ran, /mksquashfs 4\.[0-5]\b.*image-tool-old/s);
        assert.equal(format, 'squashfs');
      } else assert.equal(sha256(readFileSync(plain)), digest);
      rmSync(away, { recursive: true });
    });
  }

  it('erofs: kinds, modes, owners, sizes and the length of each label by dump.erofs equal the manifest', async () => {
    const file = at('dumped.erofs');
    await json(['build', bundle, '-o', file, '--format', 'erofs']);
    const { contents } = (await json(['inspect', file, '-v'])) as unknown as { contents: Content[] };

    const [command, ...args] = dumpingErofs(
      file,
      contents.map(({ path }) => path),
    );
    const text = execFileSync(command, args, { encoding: 'utf8' });

    assertDumped(text, contents);
  });

  it('leaves nothing beside the image, and makes none over a file, into no folder, or from a bad bundle', async () => {
    const own = at('own');
    mkdirSync(own);
    await json(['build', bundle, '-o', join(own, 'kata.raw')]);
    const bad = await tinyRelease(at('bad'), { odd: ['dotdot'] });

    const again = await json(['build', bundle, '-o', join(own, 'kata.raw')], 2);
    const nowhere = await json(['build', bundle, '-o', join(own, 'none/kata.raw')], 2);
    const rejected = await json(['build', bad, '-o', join(own, 'bad.raw')], 4);
    const wrong = await json(['build', bundle, '-o', join(own, 'wrong.raw'), '--digest', `sha256:${'0'.repeat(64)}`], 4);
    const epoch = await json(['build', bundle, '-o', join(own, 'epoch.raw')], 2, { env: { SOURCE_DATE_EPOCH: 'yesterday' } });
    const silent = await json(['build', bundle], 2);

    assert.match(String(again['found']), /is there already/);
    assert.equal(nowhere['code'], 'usage');
    assert.equal(rejected['code'], 'bundle-member-escapes');
    assert.equal(wrong['code'], 'bundle-digest');
    assert.equal(epoch['subject'], 'SOURCE_DATE_EPOCH');
    assert.equal(silent['subject'], '--output');
    assert.deepEqual(readdirSync(own), ['kata.raw']);
  });

  it('other handlers, another time and another format make another image', async () => {
    const go = await tinyRelease(at('release'), { archive: 'go' });
    await json(['build', bundle, go, '--handler', 'qemu', '--handler', 'qemu-runtime-rs', '-o', at('two.raw')]);

    const two = await json(['inspect', at('two.raw')]);

    assert.deepEqual((two['handlers'] as { name: string }[]).map(({ name }) => name).sort(), ['kata-qemu', 'kata-qemu-runtime-rs']);
    assert.equal((two['sources'] as unknown[]).length, 2);
  });

  it('inspect tells a file that was cut off, changed, or is no image of ours', async () => {
    const file = at('whole.raw');
    await json(['build', bundle, '-o', file]);
    const bytes = readFileSync(file);
    const changed = (at: number) => Buffer.concat([bytes.subarray(0, at), Buffer.from([bytes[at]! ^ 1]), bytes.subarray(at + 1)]);
    const manifestAt = bytes.lastIndexOf('{"schema":1');
    const whole = JSON.parse(bytes.subarray(manifestAt, bytes.indexOf('\n', manifestAt)).toString()) as object;
    const said = (other: object) => JSON.stringify({ ...whole, ...other });
    // Whoever makes an image can give whatever manifest its own digest.
    const trailed = (json: string) => {
      const end = Buffer.alloc(256);
      end.write(`kata-sysext-image 1 ${manifestAt} ${Buffer.byteLength(json)} ${digestOf(json)}\n`);
      return Buffer.concat([bytes.subarray(0, manifestAt), Buffer.from(json), end]);
    };
    const cases: [name: string, content: Buffer, code: string][] = [
      ['cut', bytes.subarray(0, -4096), 'image-unknown'],
      ['superblock', changed(8), 'image-damaged'],
      ['data', changed(200), 'image-damaged'],
      ['manifest', changed(manifestAt + 40), 'image-damaged'],
      ['footer', changed(bytes.length - 230), 'image-damaged'],
      ...['null', '{}', '{nothing', '{"schema":2}', said({ filesystem: undefined }), said({ handlers: [null] }), said({ texts: [1] })].map(
        (json): [string, Buffer, string] => [
          `manifest-${digestOf(json).slice(7, 15)}`,
          trailed(json),
          json === '{"schema":2}' ? 'image-newer' : 'image-damaged',
        ],
      ),
      ['archive', readFileSync(bundle), 'image-unknown'],
      ['empty', Buffer.alloc(0), 'image-unknown'],
    ];

    for (const [name, content, code] of cases) {
      writeFileSync(at(name), content);
      assert.equal((await json(['inspect', at(name)], 4))['code'], code, name);
    }
    assert.equal((await json(['inspect', at('nothing')], 4))['code'], 'bundle-missing');
    assert.ok(existsSync(file));
  });

  it('the default handler’s squashfs of a release with real programs has at most 45 % of its files’ bytes', async () => {
    const release = await sampleRelease();
    await json(['build', release.static, '-o', at('sample.raw')], 0, { timeoutMs: 900_000 });

    const { sizeBytes, contentBytes } = (await json(['inspect', at('sample.raw')])) as { sizeBytes: number; contentBytes: number };

    const document = whileMounted('squashfs', at('sample.raw'), (tree) =>
      readFileSync(join(tree, 'usr/share/os-manifests/package-manifest.kata.spdx.json'), 'utf8'),
    );
    console.log(`      ${sizeBytes} of ${contentBytes} bytes: ${((100 * sizeBytes) / contentBytes).toFixed(1)} %`);
    assert.ok(sizeBytes <= 0.45 * contentBytes);
    assert.equal((await run(['inspect', at('sample.raw')])).status, 0);
    assert.deepEqual(spdxFaults(document, '2.2'), []);
  });
});

/** What it printed when it failed. */
function tried(command: string, args: string[]): string | undefined {
  try {
    execFileSync(command, args, { encoding: 'utf8', stdio: 'pipe' });
    return undefined;
  } catch (error) {
    return String((error as { stderr: string }).stderr);
  }
}
