import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import fc from 'fast-check';
import { targetOf } from '../../cli/bundle/memberRules.ts';
import { KataError } from '../../cli/errors/index.ts';
import { file, folder, makeTar, symlink, type TarMember } from '../support/archives/tar.ts';
import { needs } from '../support/needs.ts';
import { type Bench, compress, makeBench, pathsBelow, unpack } from './unpack.ts';

const whole = makeTar([
  folder('./opt/kata/'),
  file('./opt/kata/VERSION', '4.1.0\n'),
  file('./opt/kata/bin/qemu', Buffer.alloc(3000, 'q'), 0o755),
  symlink('./opt/kata/share/link', '../bin/qemu'),
  { name: `./opt/kata/${'long/'.repeat(30)}name`, content: 'x', long: 'gnu' },
  { name: `./opt/kata/${'long/'.repeat(30)}other`, content: 'x', long: 'pax' },
  { name: './opt/kata/hard', type: '1', linkName: './opt/kata/bin/qemu' },
]);

const segment = fc.constantFrom('a', 'b', 'c', '..', '..', '.', '');
const path = fc.array(segment, { minLength: 1, maxLength: 4 }).map((parts) => parts.join('/'));
const target = fc.oneof(
  path,
  path.map((one) => `/opt/kata/${one}`),
  path.map((one) => `/${one}`),
);
const member: fc.Arbitrary<TarMember> = fc.oneof(
  { weight: 3, arbitrary: path.map((name) => file(`./opt/kata/${name}`)) },
  { weight: 2, arbitrary: path.map((name) => folder(`./opt/kata/${name}`)) },
  { weight: 3, arbitrary: fc.tuple(path, target).map(([name, to]) => symlink(`./opt/kata/${name}`, to)) },
  {
    weight: 1,
    arbitrary: fc.tuple(path, path).map(([name, to]) => ({ name: `./opt/kata/${name}`, type: '1', linkName: `./opt/kata/${to}` })),
  },
  { weight: 1, arbitrary: path.map((name) => file(name)) },
);

describe('a damaged or hostile archive', () => {
  let bench: Bench;
  beforeEach(() => {
    bench = makeBench();
    // Something to be found by a link that leads out.
    for (const name of ['a', 'b', 'c', 'opt/kata']) mkdirSync(`${bench.root}/${name}`, { recursive: true });
  });
  afterEach(() => bench.remove());

  /** Reads it; anything but a KataError fails the test, and so does a trace outside `into`. */
  async function survive(bytes: Buffer): Promise<boolean> {
    rmSync(bench.into, { recursive: true });
    mkdirSync(bench.into);
    const whole = await unpack(bench, bytes).then(
      () => true,
      (error: unknown) => {
        if (!(error instanceof KataError)) throw error;
        return false;
      },
    );
    assert.deepEqual(readdirSync(bench.root).sort(), ['a', 'b', 'c', 'into', 'opt', 'release.tar']);
    return whole;
  }

  it('is refused or read, never more, when bits flip', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.integer({ min: 1, max: 255 })), { minLength: 1, maxLength: 4 }),
        async (flips) => {
          const bytes = Buffer.from(whole);
          for (const [at, bits] of flips) bytes[at]! ^= bits;

          await survive(bytes);
        },
      ),
      { numRuns: 250 },
    );
  });

  it('is refused when it ends early, anywhere', async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(whole.length - 1), async (length) => {
        assert.equal(await survive(whole.subarray(0, length)), false);
      }),
      { numRuns: 150 },
    );
  });

  for (const program of ['zstd', 'xz', 'gzip'] as const) {
    it(`is refused when its ${program} stream is cut or flipped`, async function () {
      needs(this, program);
      const bytes = compress(program, whole);
      await fc.assert(
        fc.asyncProperty(fc.nat(bytes.length - 1), fc.integer({ min: 1, max: 255 }), fc.boolean(), async (at, bits, cut) => {
          const broken = Buffer.from(cut ? bytes.subarray(0, at) : bytes);
          if (!cut) broken[at]! ^= bits;

          const accepted = await survive(broken);

          assert.ok(!cut || !accepted);
        }),
        { numRuns: 40 },
      );
    });
  }

  it('leaves nothing that leads out of the tree, whatever its members and links are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(member, { maxLength: 8 }), async (some) => {
        if (!(await survive(makeTar(some)))) return;
        for (const path of pathsBelow(bench.into)) assertInside(bench.into, path);
      }),
      { numRuns: 200 },
    );
  });

  it('is refused for links that lead out only together, and only then', async () => {
    for (let first = 0; first <= 3; first++) {
      for (let second = 0; second <= 4; second++) {
        const up = symlink('./opt/kata/a/b/c/up', '../'.repeat(first) || '.');
        const on = symlink('./opt/kata/on', `a/b/c/up/${'../'.repeat(second)}`);

        const accepted = await survive(makeTar([folder('./opt/kata/a/b/c/'), up, on]));

        assert.equal(accepted, first + second <= 3, `${first} up, then ${second}`);
      }
    }
  });

  it('has its absolute links made relative to the same place', () => {
    fc.assert(
      fc.property(
        fc.array(fc.constantFrom('a', 'b', 'c'), { minLength: 1, maxLength: 5 }),
        fc.array(fc.constantFrom('a', 'b', 'c'), { maxLength: 5 }),
        (link, to) => {
          const relative = targetOf(link.join('/'), ['/opt/kata', ...to].join('/'), 'x');

          assert.equal(
            new URL(relative, `http://h/opt/kata/${link.join('/')}`).pathname.replace(/\/$/, ''),
            ['/opt/kata', ...to].join('/'),
          );
        },
      ),
    );
  });
});

/** Asks the kernel, confined to the tree as a chroot would be: a link that ends outside shows by where realpath leads. */
function assertInside(root: string, path: string): void {
  let real: string;
  try {
    real = realpathSync(`${root}/${path}`);
  } catch {
    return;
  }
  assert.ok(real === realpathSync(root) || real.startsWith(`${realpathSync(root)}/`), `${path} leads to ${real}`);
}
