import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSource } from '../../cli/bundle/sourceBytes.ts';
import { sourceOf } from '../../cli/commands/generating/sources.ts';
import { readComponent } from '../../cli/components/read.ts';
import { openKept } from '../../cli/download/cache.ts';
import { certificates } from '../../cli/download/certificates.ts';
import type { KataError } from '../../cli/errors/index.ts';
import { readDocument } from '../../cli/releases/added.ts';
import { unfitSignature } from '../../cli/trust/complaints.ts';
import { runInProcess } from '../support/inProcess.ts';
import { plainReleases } from '../support/trees/inProcessTree.ts';
import { scratch } from '../support/trees/treeHost.ts';

const digest = `sha256:${'0'.repeat(64)}` as const;
const address = 'https://files.example.org/a;b/kata.tar.minisig';

/** What a message says to type next is pasted into a shell. */
describe('commands of messages', function () {
  this.timeout(120_000);
  let folder: string;
  before(() => {
    folder = join(scratch('pasted'), 'my folder');
    mkdirSync(folder);
    writeFileSync(join(folder, 'cat.json'), '{}');
    writeFileSync(join(folder, 'bad.pem'), 'nonsense');
  });

  const away = () => join(folder, 'away');
  const signal = new AbortController().signal;
  const sourceRequest = { digest: undefined, from: 'https://h/x', inside: false, cwd: '/', signal };
  const signature = (place: string, bundle?: string) => unfitSignature({ name: 'x', place, bundle }, 'none');
  const rows: [title: string, fault: () => unknown, next: () => string][] = [
    ['a bundle that is away', () => openSource(away()), () => `ls -l '${away()}'`],
    ['a bundle for nodes that is away', () => sourceOf({ ...sourceRequest, word: away() }), () => `ls -l '${away()}'`],
    ['a component that is away', () => readComponent('kernel', away()), () => `ls -l '${away()}'`],
    ['certificates that are away', () => certificates(away()), () => `openssl x509 -in '${away()}' -noout -subject`],
    ['a cache that is a file', () => openKept(join(folder, 'cat.json'), digest), () => `ls -ld '${join(folder, 'cat.json')}'`],
    [
      'a file that is no catalogue',
      () => readDocument('{}', join(folder, 'cat.json')),
      () => `look at it: head -c 300 '${join(folder, 'cat.json')}'`,
    ],
    ['an address that is no catalogue', () => readDocument('{}', address), () => `look at it: curl -fsSL '${address}' | head -c 300`],
    ['a file that is no signature', () => signature(away()), () => `look at it: head -c 300 '${away()}'`],
    ['an address that is no signature', () => signature(address), () => `look at it: curl -fsSL '${address}' | head -c 300`],
  ];
  for (const [title, fault, next] of rows)
    it(`name ${title} as one word of a shell`, async () => {
      const found = await Promise.resolve()
        .then(fault)
        .catch((error: unknown) => error);

      assert.equal((found as KataError).complaint.next, next());
    });

  it('name no file for a signature inside a saved bundle', () => {
    const { next } = signature('/b.tar: archives/x', '/b.tar').complaint;

    assert.equal(next, 'save the archives again, with signatures of them: kata-sysext bundle save');
  });

  it('name a signature where it is, and not by its name alone', async () => {
    const { first } = await plainReleases();
    const { stderr } = await runInProcess(['install', first, '--signature', 'bad.pem', '--root', scratch('pasted')], { cwd: folder });

    assert.match(stderr, new RegExp(`next: {3}look at it: head -c 300 '${join(folder, 'bad.pem')}'$`, 'm'));
  });

  it('name a catalogue without a proof', async () => {
    const catalogue = join(folder, 'cat.json');
    const { stderr } = await runInProcess(['releases', 'add', catalogue, '--root', scratch('pasted')]);

    assert.match(stderr, new RegExp(`next: {3}kata-sysext releases --root \\S+ add '${catalogue}' --digest sha256:HEX$`, 'm'));
  });

  it('name an image that was built, and one that is there', async () => {
    const { first } = await plainReleases();
    const image = join(folder, 'my image.raw');
    const built = await runInProcess(['build', first, '-o', image]);
    const again = await runInProcess(['build', first, '-o', image]);

    assert.match(built.stdout, new RegExp(`^Next, on the host: kata-sysext install '${image}' --backend sysext --digest sha256:`, 'm'));
    assert.match(again.stderr, new RegExp(`next: {3}choose another name, or: rm '${image}'$`, 'm'));
  });
});
