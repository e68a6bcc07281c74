import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { installationIn } from '../support/judges/hookWords.ts';
import { json, run } from '../support/program.ts';
import { put } from '../support/trees/hostTrees.ts';
import { releases, scratch, treeHost } from '../support/trees/treeHost.ts';

const digest = `sha256:${'1'.repeat(64)}`;

/** Which backend a node takes by itself nobody knows who generates; an image leaves it no choice. */
describe('generate: an image in the form hook', function () {
  this.timeout(900_000);
  let folder: string;
  const sysext = ['--backend', 'sysext'];
  let image: string;
  before(async () => {
    folder = scratch('hook-image');
    image = join(scratch('image'), 'kata.raw');
    await json(['build', (await releases()).first, '-o', image]);
  });
  after(() => {
    for (const each of [dirname(image), folder]) rmSync(each, { recursive: true });
  });
  const generate = (more: string[], { kind = 'ignition', source = image } = {}) => [
    ...['generate', kind, source, '--target', 'fcos', '--from', 'https://files.example.org/kata'],
    ...['--program', 'https://files.example.org/kata/p', '--program-digest', digest, '-o', join(folder, 'out'), ...more],
  ];
  const address = { source: 'https://files.example.org/kata/kata.raw' };

  for (const more of [[], sysext, ['--backend', 'auto']]) {
    it(`is installed with the backend that has images, also where the node would take another one: ${more.join(' ') || 'none named'}`, async () => {
      await json(generate(more));
      const config = JSON.parse(readFileSync(join(folder, 'out/kata-sysext.ign'), 'utf8')) as Parameters<typeof installationIn>[0];
      rmSync(join(folder, 'out'), { recursive: true });
      const words = installationIn(config, dirname(image));
      const node = treeHost('microos', (root) => {
        put(root, 'usr/lib/systemd/system/systemd-sysext.service', '[Service]\n');
        put(root, 'usr/lib/systemd/libsystemd-shared-259.so', '');
      });

      const byItself = await node.json(['install', image], 2);
      const change = await node.json(words);

      node.remove();
      assert.equal(byItself['found'], 'kata.raw is a squashfs image, and the backend here is prefix');
      assert.equal(change['changed'], true);
      assert.deepEqual(
        words.filter((_, index) => words[index - 1] === '--backend'),
        ['sysext'],
      );
    });
  }

  const refusals: [what: string, args: () => string[], found: RegExp, next?: RegExp][] = [
    ['another backend', () => generate(['--backend', 'overlay']), /kata\.raw with --backend overlay/],
    ['another format', () => generate(['--format', 'erofs']), /--format erofs, but kata\.raw is an image of the format squashfs/],
    ['an image of the OS', () => generate(['--form', 'baked'], { kind: 'containerfile' }), /kata\.raw with --form baked/],
    ['a bundle beside it', () => generate([]).toSpliced(3, 0, 'https://a.example/kata.tar'), /kata\.raw together with 1 more/],
    [
      'an address that is called like one, and no word',
      () => generate(['--digest', digest], address),
      /kata\.raw is called like an image/,
      /--backend sysext$/,
    ],
  ];
  for (const [what, args, found, next = /./] of refusals) {
    it(`is refused with ${what}`, async () => {
      const refused = await json(args(), 2);

      assert.equal(refused['code'], 'usage');
      assert.match(String(refused['found']), found);
      assert.match(String(refused['next']), next);
      assert.deepEqual(readdirSync(folder), []);
    });
  }

  it('is taken from an address with a word', async () => {
    for (const backend of ['sysext', 'prefix']) {
      const made = await run(generate(['--digest', digest, '--backend', backend], address));

      assert.equal(made.status, 0, made.stderr);
      rmSync(join(folder, 'out'), { recursive: true });
    }
  });
});
