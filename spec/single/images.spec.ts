import assert from 'node:assert/strict';
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { basename, join } from 'node:path';
import { tinyRelease } from '../lab/release/index.ts';
import { debianRoot, type Suite, suiteAvailable } from '../lab/roots.ts';
import type { Ran } from '../lab/run.ts';
import { sha256 } from '../support/digests.ts';
import { removeAfter } from '../support/endings.ts';
import {
  assertDumped,
  type Content,
  dumpingErofs,
  labelsOf,
  labelsSeen,
  ownersAndTimes,
  seenOf,
  treeSeen,
  whileMounted,
} from '../support/judges/images.ts';
import { singleFiles } from '../support/singleFile.ts';
import { scratch } from '../support/trees/treeHost.ts';
import { runInside } from './roots.ts';

interface Row {
  suite: Suite;
  /** What makes images there, with what the recipes distinguish. */
  makers: { squashfs: RegExp; erofs: RegExp };
  /** fsck.erofs unpacks labels: from 1.8 on. */
  labelsOfErofs: boolean;
}

const rows: Row[] = [
  { suite: 'bookworm', makers: { squashfs: /^mksquashfs 4\.5/, erofs: /^mkfs\.erofs 1\.5/ }, labelsOfErofs: false },
  { suite: 'trixie', makers: { squashfs: /^mksquashfs 4\.6/, erofs: /^mkfs\.erofs 1\.8/ }, labelsOfErofs: true },
  { suite: 'forky', makers: { squashfs: /^mksquashfs 4\.[7-9]/, erofs: /^mkfs\.erofs (1\.9|[2-9])/ }, labelsOfErofs: true },
];
const nobody = ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups', '--no-new-privs'];

for (const { suite, makers, labelsOfErofs } of rows) {
  describe(`images by the tools of ${suite}`, function () {
    this.timeout(900_000);
    let folder: string;
    let bundle: string;
    let inside: (command: string[], options?: { env?: Record<string, string>; allowFailure?: boolean }) => Promise<Ran>;

    before(async function () {
      const available = await suiteAvailable(suite);
      if (!available.ok) {
        console.log(`      ${available.why}`);
        this.skip();
      }
      const [file, root] = [(await singleFiles()).x64, await debianRoot(suite)];
      folder = scratch('images');
      chmodSync(folder, 0o755);
      bundle = `/share/${basename(await tinyRelease(folder))}`;
      inside = (command, options = {}) => runInside(root, file, command, { ...options, share: folder });
    });
    removeAfter(() => folder);

    for (const format of ['squashfs', 'erofs'] as const) {
      const build = (output: string) => ['/kata-sysext', 'build', bundle, '-o', output, '--format', format, '--json', '--progress', 'none'];
      const digestOf = (path: string) => sha256(readFileSync(join(folder, path)));

      it(`${format}: the same bytes from another folder, time zone and umask, and without root`, async () => {
        const own = join(folder, `nobody-${format}`);
        for (const path of [own, join(folder, format, 'deeper')]) mkdirSync(path, { recursive: true });
        chownSync(own, 65534, 65534);
        const label = 'touch "$1"; setfattr -n security.selinux -v system_u:object_r:usr_t:s0 "$1" && rm "$1"';

        const one = await inside(build(`/share/${format}/a.raw`));
        await inside(['sh', '-c', 'umask 0077; exec "$@"', 'sh', ...build(`/share/${format}/deeper/b.raw`)], {
          env: { TZ: 'Asia/Kathmandu' },
        });
        const labels = await inside([...nobody, 'sh', '-c', label, 'sh', `/share/nobody-${format}/probe`], { allowFailure: true });
        const other = await inside([...nobody, ...build(`/share/nobody-${format}/c.raw`)], { allowFailure: true });

        const { tool } = JSON.parse(one.stdout) as { tool: string };
        assert.match(tool, makers[format]);
        assert.equal(digestOf(`${format}/deeper/b.raw`), digestOf(`${format}/a.raw`));
        rmSync(join(own, 'probe'), { force: true });
        // Before 4.6 mksquashfs takes labels from files alone, which Linux without SELinux lets nobody but root set.
        if (format === 'squashfs' && suite === 'bookworm' && labels.code !== 0) {
          assert.deepEqual([other.code, (JSON.parse(other.stdout) as { code: string }).code], [3, 'image-tool-old']);
          assert.deepEqual(readdirSync(own), []);
        } else {
          assert.equal(other.code, 0, other.stdout + other.stderr);
          assert.equal(digestOf(`nobody-${format}/c.raw`), digestOf(`${format}/a.raw`));
          assert.equal(statSync(join(own, 'c.raw')).uid, 65534);
        }
      });

      it(`${format}: labels, modes, links and digests read back by the tools there and by a mount equal the manifest`, async () => {
        const [image, tree] = [`/share/read.${format}`, `/share/tree-${format}`];
        await inside(build(image), { env: { SOURCE_DATE_EPOCH: '1767225600' } });
        const said = await inside(['/kata-sysext', 'inspect', image, '-v', '--json']);
        const { contents } = JSON.parse(said.stdout) as { contents: Content[] };
        const unpack =
          format === 'squashfs'
            ? ['unsquashfs', '-quiet', '-no-progress', '-d', tree, image]
            : ['fsck.erofs', `--extract=${tree}`, ...(labelsOfErofs ? ['--xattrs'] : []), image];

        await inside(unpack);

        const [there, here] = [join(folder, basename(tree)), join(folder, basename(image))];
        assert.deepEqual(treeSeen(there), seenOf(contents));
        if (format === 'squashfs' || labelsOfErofs) assert.deepEqual(labelsSeen(there), labelsOf(contents));
        const mounted = whileMounted(format, here, (at) => ({ tree: treeSeen(at), labels: labelsSeen(at), owners: ownersAndTimes(at) }));
        assert.deepEqual(mounted, { tree: seenOf(contents), labels: labelsOf(contents), owners: ['0:0 1767225600'] });
        if (format === 'squashfs') return;
        const { stdout } = await inside(
          dumpingErofs(
            image,
            contents.map(({ path }) => path),
          ),
        );
        assertDumped(stdout, contents);
      });
    }
  });
}
