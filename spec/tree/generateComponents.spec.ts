import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';
import { elfKernel, fileIn } from '../support/components.ts';
import { sha256 } from '../support/digests.ts';
import { removeAfter } from '../support/endings.ts';
import { installationIn } from '../support/judges/hookWords.ts';
import { json, run } from '../support/program.ts';
import { bytesOf } from '../support/trees/renderedTree.ts';
import { releases, scratch, treeHost } from '../support/trees/treeHost.ts';

const digest = `sha256:${'1'.repeat(64)}`;
const place = ['--from', 'https://files.example.org/kata'];
const program = ['--program', 'https://files.example.org/kata/p', '--program-digest', digest];

describe('generate: files of the user for handlers', function () {
  this.timeout(900_000);
  let folder: string | undefined;
  let bundle: string;
  let kernel: string;
  const out = () => join(folder!, 'out');
  const read = (name: string) => readFileSync(join(out(), name), 'utf8');
  before(async () => {
    folder = scratch('generate-components');
    bundle = join(folder, basename((await releases()).first));
    copyFileSync((await releases()).first, bundle);
    kernel = fileIn(folder, 'vmlinux-own', elfKernel('own'));
  });
  removeAfter(() => folder);
  afterEach(() => rmSync(out(), { recursive: true, force: true }));
  const own = () => ['--component', `kernel=${kernel}`, '--alias', 'new'];
  const generate = (kind: string, more: string[], source = bundle) => ['generate', kind, source, '--target', 'fcos', '-o', out(), ...more];

  it('are fetched by the form hook by their digests, and installed by the node', async () => {
    const made = await json(generate('ignition', [...place, ...program, ...own()]));
    const config = JSON.parse(read('kata-sysext.ign')) as Parameters<typeof installationIn>[0];
    const script = bytesOf(config.storage.files[0]!.contents.source).toString();
    const words = installationIn(config, folder!);
    const node = treeHost('fcos');
    await node.json(words);
    const { handlers } = JSON.parse(readFileSync(node.path('var/lib/kata-sysext/generations/1/manifest.json'), 'utf8')) as {
      handlers: { name: string; own?: { files: { kind: string; digest: string }[] } }[];
    };
    node.remove();

    const line = `fetch vmlinux-own ${sha256(elfKernel('own'))} https://files.example.org/kata/vmlinux-own `;
    assert.ok(script.includes(line), script);
    assert.ok(JSON.stringify(made).includes('vmlinux-own'));
    assert.deepEqual(
      handlers.find(({ name }) => name === 'new')?.own?.files.map(({ kind, digest: found }) => [kind, found]),
      [['kernel', `sha256:${sha256(elfKernel('own'))}`]],
    );
  });

  it('make another installation where their bytes are others, so that the node installs again', async () => {
    const stampIn = async () => {
      await json(generate('ignition', [...place, ...program, ...own()]));
      const config = JSON.parse(read('kata-sysext.ign')) as Parameters<typeof installationIn>[0];
      rmSync(out(), { recursive: true });
      return /kata-sysext-first-boot\/([0-9a-f]{16})/.exec(bytesOf(config.storage.files[0]!.contents.source).toString())?.[1];
    };
    const first = await stampIn();
    fileIn(folder!, 'vmlinux-own', elfKernel('other'));
    const second = await stampIn();
    fileIn(folder!, 'vmlinux-own', elfKernel('own'));

    assert.match(String(first), /^[0-9a-f]{16}$/);
    assert.notEqual(second, first);
  });

  it('are part of the archive of the form rendered', async () => {
    await json(generate('ignition', [...place, '--form', 'rendered', '--engine', 'crio@1.34', ...own()]));
    const archive = readdirSync(out()).find((name) => /\.tar/.test(name))!;
    const listed = execFileSync('tar', ['-tf', join(out(), archive)], { encoding: 'utf8' }).split('\n');
    const member = listed.find((name) => name.endsWith('/new.kernel'))!;

    assert.deepEqual(execFileSync('tar', ['-xOf', join(out(), archive), member], { maxBuffer: 1 << 26 }), elfKernel('own'));
  });

  it('are copied by a Containerfile, once for two handlers, and named to the installation', async () => {
    // By its ELF head: it may not be started, so its version is not asked for.
    const single = fileIn(folder!, 'p', readFileSync(process.execPath).subarray(0, 4096));
    const words = ['--component', `a:kernel=${kernel}`, '--component', `b:kernel=${kernel}`, '--alias', 'a=qemu', '--alias', 'b=qemu'];
    await json(generate('containerfile', ['--program', single, ...words]));
    const [hook, script] = [read('Containerfile'), read('hook.sh')];
    rmSync(out(), { recursive: true });
    await json(generate('containerfile', ['--form', 'baked', '--program', single, ...words]));
    const baked = read('Containerfile');

    for (const text of [hook, baked]) assert.equal(text.match(/^COPY \["vmlinux-own",/gm)?.length, 1, text);
    assert.match(script, /--component a:kernel="\$work"\/vmlinux-own --component b:kernel="\$work"\/vmlinux-own /);
    assert.match(
      baked,
      /--component a:kernel=\/run\/kata-sysext-build\/vmlinux-own --component b:kernel=\/run\/kata-sysext-build\/vmlinux-own /,
    );
    assert.equal(script.match(/^fetch vmlinux-own /gm)?.length, 1, script);
  });

  const refusals: [title: string, words: () => string[], found: RegExp][] = [
    ['at an address', () => ['--component', 'kernel=https://files.example.org/vmlinux', '--alias', 'new'], /a file of this machine/],
    ['without an alias', () => ['--component', `kernel=${kernel}`], /without an alias/],
    ['that are away', () => ['--component', `kernel=${kernel}.x`, '--alias', 'new'], /is not there/],
    [
      'of one name and other bytes',
      () => [
        '--component',
        `a:kernel=${kernel}`,
        '--component',
        `b:image=${fileIn(scratchOf(), 'vmlinux-own', elfKernel('x'))}`,
        '--alias',
        'a=qemu',
        '--alias',
        'b=qemu',
      ],
      /two files are called vmlinux-own/,
    ],
    [
      'with the name of the bundle',
      () => ['--component', `kernel=${fileIn(scratchOf(), basename(bundle), elfKernel('x'))}`, '--alias', 'new'],
      /two files are called/,
    ],
  ];
  it('have no place in a cluster', async () => {
    const { status, stderr } = await run(['generate', 'kubernetes', 'kata@4.2.0', '-o', out(), ...own()]);

    assert.equal(status, 2, stderr);
    assert.match(stderr, /--component with kubernetes/);
  });

  const scratchOf = () => {
    const other = scratch('generate-other');
    others.push(other);
    return other;
  };
  const others: string[] = [];
  after(() => {
    for (const other of others) rmSync(other, { recursive: true, force: true });
  });
  for (const [title, words, found] of refusals)
    it(`${title} are refused`, async () => {
      const { status, stderr } = await run(generate('ignition', [...place, ...program, ...words()]));

      assert.match(stderr, found);
      assert.ok([2, 4].includes(status), String(status));
    });
});
