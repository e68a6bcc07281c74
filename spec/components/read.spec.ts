import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, rmSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readComponent } from '../../cli/components/read.ts';
import { KataError } from '../../cli/errors/index.ts';
import { elfKernel, fileIn } from '../support/components.ts';
import { scratch } from '../support/trees/treeHost.ts';

describe('a component is read', () => {
  let folder: string;

  beforeEach(() => {
    folder = scratch('component');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  async function refusal(path: string, take?: () => Promise<void>): Promise<KataError['complaint'] & { code: string }> {
    const error = await readComponent('kernel', path, take).then(
      () => assert.fail('it was read'),
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof KataError, String(error));
    return { ...error.complaint, code: error.code };
  }

  it('whole, piece by piece, with its digest', async () => {
    const bytes = elfKernel('whole', (3 << 20) + 17);
    const path = fileIn(folder, 'vmlinux', bytes);
    const pieces: Buffer[] = [];

    const read = await readComponent('kernel', path, async (piece, at) => {
      assert.equal(at, Buffer.concat(pieces).length);
      pieces.push(Buffer.from(piece));
    });

    assert.deepEqual(read, { digest: `sha256:${createHash('sha256').update(bytes).digest('hex')}`, sizeBytes: bytes.length });
    assert.ok(Buffer.concat(pieces).equals(bytes));
  });

  it('and not through a link, which is named with its target and a command', async () => {
    const target = fileIn(folder, 'vmlinux', elfKernel());
    symlinkSync(target, join(folder, 'link'));

    const { code, found, next } = await refusal(join(folder, 'link'));

    assert.deepEqual(
      [code, found.endsWith(`is a link to ${target}`), next],
      ['component-unfit', true, `readlink -f ${join(folder, 'link')}`],
    );
  });

  it('and not from a folder, a pipe or a device: nothing waits, nothing acts', async () => {
    mkdirSync(join(folder, 'folder'));
    execFileSync('mkfifo', [join(folder, 'pipe')]);

    const answers = [
      await refusal(join(folder, 'folder')),
      await refusal(join(folder, 'pipe')),
      await refusal('/dev/null'),
      await refusal('/dev/zero'),
    ];

    assert.deepEqual(new Set(answers.map(({ code }) => code)), new Set(['component-unfit']));
    assert.match(answers[0]!.found, /is a folder/);
    assert.match(answers[1]!.found, /no regular file/);
  });

  it('and a path that is not there is said', async () => {
    const { code, next } = await refusal(join(folder, 'nothing'));

    assert.deepEqual([code, next], ['component-missing', `ls -l ${join(folder, 'nothing')}`]);
  });

  it('and not beyond the size of its kind: a sparse file of a tebibyte costs no read', async () => {
    const path = fileIn(folder, 'huge', '');
    truncateSync(path, 2 ** 40);

    const { code, found } = await refusal(path, async () => assert.fail('a byte was taken'));

    assert.equal(code, 'component-unfit');
    assert.match(found, /has 1099511627776 bytes/);
  });

  const meanwhile: [what: string, change: (path: string) => void][] = [
    ['grows', (path) => appendFileSync(path, 'more')],
    ['shrinks', (path) => truncateSync(path, 1 << 20)],
    ['gets other bytes of the same size', (path) => writeFileSync(path, elfKernel('other', 4 << 20), { flag: 'r+' })],
    [
      'gets other bytes and its old time back',
      (path) => {
        writeFileSync(path, elfKernel('other', 4 << 20), { flag: 'r+' });
        utimesSync(path, 1, 1);
      },
    ],
  ];
  for (const [what, change] of meanwhile)
    it(`and a file that ${what} meanwhile is refused`, async () => {
      const path = fileIn(folder, 'vmlinux', elfKernel('first', 4 << 20));
      utimesSync(path, 1, 1);
      let done = false;

      const { code } = await refusal(path, async () => {
        if (!done) change(path);
        done = true;
      });

      assert.equal(code, 'component-changed');
    });
});
