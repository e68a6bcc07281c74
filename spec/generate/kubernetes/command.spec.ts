import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import { digestOf } from '../../../cli/host/index.ts';
import { runInProcess } from '../../support/inProcess.ts';
import { repo } from '../../support/program.ts';
import { textFiles } from '../../support/textFiles.ts';

const image = `registry.example.org/kata-sysext@sha256:${'1'.repeat(64)}`;
const from = 'https://files.example.org/kata';

describe('generate kubernetes', function () {
  this.timeout(120_000);
  const texts = textFiles();
  let bundle: string;

  before(() => {
    bundle = texts.put('kata-static-4.2.0-amd64.tar.zst', 'bytes of a bundle\n');
  });

  async function generated(name: string, ...words: string[]) {
    const folder = join(texts.folder, name);
    const { status, stdout, stderr } = await runInProcess(['generate', 'kubernetes', ...words, '-o', folder, '--json']);
    return { folder, status, answer: JSON.parse(stdout === '' ? stderr : stdout) };
  }

  function requestIn(file: string) {
    const objects = parseAllDocuments(readFileSync(file, 'utf8')).map((each) => each.toJS());
    const set = objects.find(({ kind }) => kind === 'DaemonSet');
    const { env } = set.spec.template.spec.initContainers.find(({ name }: { name: string }) => name === 'change');
    return JSON.parse(env.find(({ name }: { name: string }) => name === 'KATA_SYSEXT_REQUEST').value);
  }

  it('writes the chart as it is, and values for it that have the bundle by its digest', async () => {
    const { folder, status, answer } = await generated('chart', bundle, '--from', from, '--image', image, '--handler', 'clh-runtime-rs');

    assert.equal(status, 0, JSON.stringify(answer));
    const digest = digestOf('bytes of a bundle\n');
    const url = `${from}/kata-static-4.2.0-amd64.tar.zst`;
    assert.deepEqual(parse(readFileSync(join(folder, 'values.yaml'), 'utf8')), {
      request: { bundles: [{ from: url, digest }], handlers: ['clh-runtime-rs'] },
      image: { repository: 'registry.example.org/kata-sysext', digest: `sha256:${'1'.repeat(64)}` },
    });
    const sources = readdirSync(join(repo, 'templates/kubernetes'), { recursive: true, encoding: 'utf8' }).filter((name) =>
      /\.\w+$/.test(name),
    );
    for (const name of sources)
      assert.equal(
        readFileSync(join(folder, 'kata-sysext', name), 'utf8'),
        readFileSync(join(repo, 'templates/kubernetes', name), 'utf8'),
        name,
      );
    assert.ok(sources.length > 10);
    assert.deepEqual([answer.kind, answer.output, answer.target], ['Files', 'kubernetes', 'chart']);
    assert.deepEqual(
      answer.sources.map((each: { digest: string }) => each.digest),
      [`sha256:${'1'.repeat(64)}`, digest],
    );
    assert.equal(statSync(join(folder, 'values.yaml')).mode & 0o777 & ~0o022, 0o644 & ~0o022);
  });

  it('writes plain manifests of each mode, which differ by their request alone', async () => {
    const mirror = 'https://files.example.org/kata';
    const words = ['kata@4.2.0', '--from', mirror, '--form', 'manifests', '--image', image, '--set', 'default_memory=512'];

    const { folder, status, answer } = await generated('manifests', ...words);

    assert.equal(status, 0, JSON.stringify(answer));
    assert.deepEqual(readdirSync(folder), ['1-observe.yaml', '2-install.yaml', '3-uninstall.yaml']);
    const request = { bundles: [{ from: 'kata@4.2.0' }], mirror, handlers: ['qemu-runtime-rs'], settings: ['default_memory=512'] };
    const common = { apiVersion: 'kata-sysext/v1', kind: 'Request' };
    assert.deepEqual(requestIn(join(folder, '1-observe.yaml')), { ...common, ...request, mode: 'observe' });
    assert.deepEqual(requestIn(join(folder, '2-install.yaml')), { ...common, ...request, mode: 'install' });
    assert.deepEqual(requestIn(join(folder, '3-uninstall.yaml')), { ...common, mode: 'uninstall' });
    const [observe, install] = ['1-observe', '2-install'].map((name) => readFileSync(join(folder, `${name}.yaml`), 'utf8'));
    const plain = (text: string) => text.replace(/^#.*\n/gm, '').replaceAll('\\"mode\\":\\"install\\"', '\\"mode\\":\\"observe\\"');
    assert.equal(plain(install!), plain(observe!));
  });

  it('writes a base and an overlay of each mode for kustomize', async () => {
    const { folder, status, answer } = await generated('kustomize', 'kata@4.2.0', '--form', 'kustomize', '--image', image);

    assert.equal(status, 0, JSON.stringify(answer));
    assert.deepEqual(readdirSync(folder), ['base', 'install', 'observe', 'uninstall']);
    const kinds = (file: string) => parseAllDocuments(readFileSync(join(folder, file), 'utf8')).map((each) => each.toJS().kind);
    assert.ok(!kinds('base/kata-sysext.yaml').includes('DaemonSet'));
    assert.deepEqual(kinds('observe/daemonset.yaml'), ['DaemonSet']);
    assert.deepEqual(parse(readFileSync(join(folder, 'install/kustomization.yaml'), 'utf8')).resources, ['../base', 'daemonset.yaml']);
  });

  it('writes no installation where no bundle is named: hosts are checked alone', async () => {
    const manifests = await generated('checked', '--form', 'manifests', '--image', image);
    const kustomize = await generated('checked-k', '--form', 'kustomize', '--image', image);

    assert.deepEqual([manifests.status, kustomize.status], [0, 0], JSON.stringify([manifests.answer, kustomize.answer]));
    assert.deepEqual(readdirSync(manifests.folder), ['1-observe.yaml', '3-uninstall.yaml']);
    assert.deepEqual(readdirSync(kustomize.folder), ['base', 'observe', 'uninstall']);
    assert.deepEqual(requestIn(join(manifests.folder, '1-observe.yaml')).bundles, undefined);
  });

  it('the same command again writes nothing, and never over something else', async () => {
    const words = ['kata@4.2.0', '--form', 'kustomize', '--image', image];
    await generated('again', ...words);
    mkdirSync(join(texts.folder, 'linked'));
    symlinkSync(join(texts.folder, 'again'), join(texts.folder, 'linked', 'base'));

    const again = await generated('again', ...words);
    const other = await generated('again', ...words, '--set', 'a=b');
    const linked = await generated('linked', ...words);

    assert.deepEqual([again.status, other.status, linked.status], [0, 2, 2]);
    assert.match(other.answer.found, /is there already, with other bytes/);
    assert.match(linked.answer.found, /is there already, and is no folder/);
  });

  const refused: Record<string, [words: string[], found: RegExp]> = {
    'an image by a tag': [['--image', 'registry.example.org/kata-sysext:1'], /--image/],
    'digests for some of the bundles': [['BUNDLE', 'kata@4.2.0', '--from', from], /digests for some of them only/],
    'manifests without an image': [['kata@4.2.0', '--form', 'manifests'], /image\.repository is missing/],
    'a form of other outputs': [['--form', 'rendered'], /--form rendered with kubernetes/],
    'an operating system': [['--target', 'fcos'], /--target with kubernetes/],
    'an address without its digest': [['https://files.example.org/a.tar.zst'], /the digest of .* is not known/],
    'an address without TLS': [['http://files.example.org/a.tar.zst', '--digest', 'a'.repeat(64)], /no https address/],
    'files of a server without TLS': [
      ['BUNDLE', '--from', 'http://files.example.org/kata'],
      /--from http:\/\/files\.example\.org\/kata is no https address$/,
    ],
    'a digest for a release by its version': [['kata@4.2.0', '--digest', 'a'.repeat(64)], /--digest with kata@4\.2\.0$/],
    'an artefact in a folder': [[`oci:folder@sha256:${'1'.repeat(64)}`], /folder of this machine/],
    'a handler that no release has': [['--handler', 'qemuu'], /qemuu/],
    'values that Helm reads in another way': [['--values', 'yes.yaml'], /needs quotes/],
    'values that are not there': [['--values', 'none.yaml'], /none\.yaml/],
  };
  for (const [title, [words, found]] of Object.entries(refused)) {
    it(`refuses ${title}`, async () => {
      texts.put('yes.yaml', 'request: {settings: [on]}\n');
      const inside = words.map((word) => (word.endsWith('.yaml') ? join(texts.folder, word) : word === 'BUNDLE' ? bundle : word));

      const { status, answer, folder } = await generated('refused', ...inside);

      assert.notEqual(status, 0);
      assert.match(`${answer.found}`, found);
      assert.throws(() => readdirSync(folder), { code: 'ENOENT' });
    });
  }

  const proven = `digest: 'sha256:${'2'.repeat(64)}'`;
  const words: [what: string, request: string, found: RegExp][] = [
    ['a bundle of http', `bundles: [{from: 'http://h/kata.tar', ${proven}}]`, /http:\/\/h\/kata\.tar is no https address of a file$/],
    ['a bundle of ftp', `bundles: [{from: 'ftp://h/kata.tar', ${proven}}]`, /ftp:\/\/h\/kata\.tar is no https address of a file$/],
    ['an address of no file', `bundles: [{from: 'https://h/', ${proven}}]`, /https:\/\/h\/ is no https address of a file$/],
    ['an address without a digest', "bundles: [{from: 'https://h/kata.tar'}]", /no digest of https:\/\/h\/kata\.tar is named$/],
    ['an artefact by a tag', "bundles: [{from: 'oci://h/kata:tag'}]", /an artefact without the digest of its manifest$/],
    ['a release that is not known', 'bundles: [{from: kata@9.9.9}]', /the release 9\.9\.9 is not in the catalogue kata$/],
    ['a release with a digest', `bundles: [{from: kata@4.2.0, ${proven}}]`, /--digest with kata@4\.2\.0$/],
    ['a release beside a file', 'bundles: [{from: /a.tar}, {from: kata@4.2.0}]', /kata@4\.2\.0 together with other bundles$/],
    ['a mirror of no release', "bundles: [{from: /a.tar}], mirror: 'https://m'", /--from https:\/\/m\/ without a release/],
    [
      'a mirror without TLS',
      "bundles: [{from: kata@4.2.0}], mirror: 'http://m'",
      /http:\/\/m\/kata\.tar\.zst is no https address of a file$/,
    ],
    ['a handler that is not known', 'handlers: [nonsense]', /no handler is called nonsense$/],
    ['an alias that is none', 'aliases: [kata]', /--alias kata$/],
    ['the name of a handler as an alias', 'aliases: [kata-qemu=qemu]', /the name kata-qemu, which is a handler’s own$/],
    ['an alias for a handler that is not known', 'aliases: [kata=qemuu]', /qemuu/],
    ['a setting without a value', 'settings: [default_memory]', /--set without an equals sign$/],
    ['a profile that is not known', 'profiles: [smal]', /there is no profile "smal"$/],
    ['a profile beside none', 'profiles: [none, small]', /--profile none together with another profile$/],
    ['a setting twice', 'settings: [default_memory=1, default_memory=2]', /default_memory is named twice$/],
    ['an engine that is not known', 'engines: [containerdd@2.1]', /the engine containerdd@2\.1$/],
    ['a backend that is not known', 'backend: prefixx', /backend prefixx$/],
    ['a format that is not known', 'format: ext4', /format ext4$/],
    ['a format of another backend', 'backend: prefix, format: erofs', /format erofs with the backend prefix$/],
    ['a code that is none', 'allow: [engine-unsuported]', /--allow engine-unsuported: there is no such code/],
    ['a code that nothing overrides', 'allow: [trust-unfit]', /--allow trust-unfit: this code cannot be overridden$/],
  ];
  for (const [what, request, found] of words)
    it(`refuses ${what}, which every node would, and writes nothing`, async () => {
      const values = texts.put(
        'words.yaml',
        `image: {repository: registry.example.org/k, digest: 'sha256:${'1'.repeat(64)}'}\nrequest: {${request}}\n`,
      );

      const { status, answer, folder } = await generated('words', '--values', values);

      assert.equal(status, 2);
      assert.equal(answer.code, 'request-unfit');
      assert.match(answer.found, found);
      assert.equal(existsSync(folder), false);
    });

  it('takes the words that clear, and those that leave it to the node', async () => {
    const request = "request: {profiles: [none], aliases: [gone=], backend: auto, format: '', engines: [containerd@2.1, crio]}";
    const values = texts.put('clear.yaml', `image: {repository: registry.example.org/k, digest: 'sha256:${'1'.repeat(64)}'}\n${request}\n`);

    const { status, answer } = await generated('clear', '--values', values);

    assert.equal(status, 0, JSON.stringify(answer));
  });

  it('takes each form of a bundle that nodes take', async () => {
    const bundles = [
      '{from: /srv/kata.tar}',
      `{from: 'https://h/kata.tar', ${proven}}`,
      `{from: 'oci://h/kata@sha256:${'3'.repeat(64)}'}`,
      '{from: team@1.0.0}',
      '{from: kata@4.2.0}',
    ];

    for (const [at, each] of bundles.entries()) {
      const { status, answer } = await generated(`form-${at}`, '--values', texts.put('form.yaml', `request: {bundles: [${each}]}\n`));
      assert.equal(status, 0, `${each}: ${JSON.stringify(answer)}`);
    }
  });

  it('gives the digest of an artefact’s layer to the nodes, which check it as install does', async () => {
    const artefact = `oci://registry.example.org/kata@sha256:${'3'.repeat(64)}`;
    const layer = 'b'.repeat(64);

    const { folder, status, answer } = await generated('layer', artefact, '--digest', layer, '--form', 'manifests', '--image', image);

    assert.equal(status, 0, JSON.stringify(answer));
    assert.deepEqual(requestIn(join(folder, '2-install.yaml')).bundles, [{ from: artefact, digest: `sha256:${layer}` }]);
  });

  it('other outputs take neither its forms nor its options, and need a bundle', async () => {
    const run = (...words: string[]) =>
      runInProcess(['generate', 'ignition', ...words, '--target', 'fcos', '-o', join(texts.folder, 'none')]);

    const answers = [await run(bundle, '--form', 'chart'), await run(bundle, '--image', image), await run()];

    assert.deepEqual(
      answers.map(({ status }) => status),
      [2, 2, 2],
    );
    assert.match(answers[2]!.stderr, /generate ignition without a bundle/);
  });
});
