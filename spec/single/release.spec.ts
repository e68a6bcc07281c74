import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Ajv } from 'ajv';
import { byBytes, digestOfFile } from '../../cli/host/index.ts';
import { version } from '../../cli/version.ts';
import { nodeVersion } from '../../scripts/single/node.ts';
import { run } from '../lab/run.ts';
import { sha256 } from '../support/digests.ts';
import { endAfter } from '../support/endings.ts';
import { type SpdxRead, spdxFaults } from '../support/judges/spdx.ts';
import { statementSchema } from '../support/judges/statement.ts';
import { needs } from '../support/needs.ts';
import { repo } from '../support/program.ts';
import { singleFiles } from '../support/singleFile.ts';
import { authority, sendFile, serveTls } from '../support/tlsServer.ts';
import { removeReleases, type TwoReleases, twoReleases } from '../support/twoReleases.ts';

/** What is published and carries a program, or fetches one. */
const artefacts = [
  ...['install.sh', `kata-sysext-${version}.tgz`, 'kata-sysext-linux-arm64', 'kata-sysext-linux-arm64.zst', 'kata-sysext-linux-x64'],
  ...['kata-sysext-linux-x64.zst', `kata-sysext_${version}-1_amd64.deb`, `kata-sysext_${version}-1_arm64.deb`],
];
const texts = ['THIRD-PARTY-LICENSES', '_kata-sysext', 'kata-sysext.8', 'kata-sysext.bash', 'kata-sysext.fish'];
const described = artefacts.flatMap((name) => [`${name}.intoto.json`, `${name}.spdx-2.2.json`, `${name}.spdx.json`]);

describe('a release, built twice', function () {
  this.timeout(1_800_000);
  let made: TwoReleases;
  const read = (name: string) => readFileSync(join(made.first, name));
  const text = (name: string) => read(name).toString('utf8');

  before(async function () {
    needs(this, 'root', 'openssl', 'minisign');
    made = await twoReleases();
  });
  endAfter(() => made, removeReleases);

  it('has the same bytes and modes from two folders, users, umasks, time zones and caches, without a network', () => {
    const listed = (folder: string) =>
      readdirSync(folder)
        .filter((name) => !/\.(?:sig|minisig)$/.test(name))
        .sort(byBytes);
    const names = listed(made.first);

    assert.deepEqual(names, ['SHA256SUMS', ...artefacts, ...described, ...texts].sort(byBytes));
    assert.deepEqual(listed(made.second), names);
    for (const name of names) {
      const [one, other] = [join(made.first, name), join(made.second, name)];
      assert.equal(sha256(readFileSync(one)), sha256(readFileSync(other)), name);
      assert.equal(statSync(one).mode, statSync(other).mode, name);
    }
  });

  it('has the single files that npm run single makes in this checkout', async () => {
    const { x64, arm64 } = await singleFiles();

    const digests = await Promise.all([x64, arm64].map((file) => digestOfFile(file)));

    assert.deepEqual(
      digests,
      ['x64', 'arm64'].map((arch) => `sha256:${sha256(read(`kata-sysext-linux-${arch}`))}`),
    );
  });

  it('lists every file in SHA256SUMS, by sha256sum’s own word', async () => {
    const { stdout } = await run(['sha256sum', '--check', '--strict', 'SHA256SUMS'], { cwd: made.second });

    const checked = stdout
      .trim()
      .split('\n')
      .map((line) => line.replace(/: OK$/, ''));
    assert.deepEqual(
      checked.sort(byBytes),
      readdirSync(made.second)
        .filter((name) => name !== 'SHA256SUMS')
        .sort(byBytes),
    );
  });

  it('is signed with the keys that were given and with no other', async () => {
    const sums = join(made.first, 'SHA256SUMS');
    const openssl = ['openssl', 'dgst', '-sha256', '-verify', made.keys.public, '-signature', `${sums}.sig`, sums];

    const said = [await run(openssl), await run(['minisign', '-V', '-p', join(made.folder, 'minisign.pub'), '-m', sums])];

    assert.match(said[0]!.stdout, /^Verified OK$/m);
    assert.match(said[1]!.stdout, new RegExp(`^Trusted comment: kata-sysext ${version.replaceAll('.', '\\.')} SHA256SUMS$`, 'm'));
    assert.deepEqual(
      readdirSync(made.second).filter((name) => /sig$/.test(name)),
      [],
    );
  });

  it('has compressed programs of at most 35 MB that zstd unpacks to the others', async () => {
    for (const arch of ['x64', 'arm64']) {
      const file = join(made.first, `kata-sysext-linux-${arch}`);
      const { stdout } = await run(['sh', '-c', 'zstd -dcq "$0.zst" | sha256sum | cut -c -64', file]);

      assert.ok(statSync(`${file}.zst`).size <= 35_000_000);
      assert.equal(stdout.trim(), sha256(readFileSync(file)));
    }
  });

  it('has no path of a build in any file', () => {
    const paths = [made.folder, repo.replace(/\/$/, ''), realpathSync(join(repo, 'node_modules'))].map((path) => Buffer.from(path));

    const found = readdirSync(made.first).filter((name) => paths.some((path) => read(name).includes(path)));

    assert.deepEqual(found, []);
  });

  for (const spdx of ['2.2', '2.3'] as const)
    it(`has an SBOM of each artefact that the schema of SPDX ${spdx} takes, with what the licences name`, () => {
      const ending = spdx === '2.2' ? 'spdx-2.2.json' : 'spdx.json';
      const inside = licensed(text('THIRD-PARTY-LICENSES'));

      for (const name of artefacts) {
        const sbom = text(`${name}.${ending}`);
        const { packages, creationInfo } = JSON.parse(sbom) as SpdxRead;
        const [own] = packages;
        const has = packages.slice(1).filter(({ SPDXID }) => !/^SPDXRef-Package-node(?:-|$)/.test(SPDXID));
        const node = packages.find((each) => each.name === 'node');

        assert.deepEqual(spdxFaults(sbom, spdx), [], name);
        assert.equal(creationInfo.created, '2026-01-01T00:00:00Z');
        assert.deepEqual(own?.checksums, [{ algorithm: 'SHA256', checksumValue: sha256(read(name)) }]);
        assert.deepEqual(has.map((each) => `${each.name} ${each.versionInfo}`).sort(byBytes), name === 'install.sh' ? [] : inside);
        assert.equal(node?.versionInfo, /\.(?:sh|tgz)$/.test(name) ? undefined : nodeVersion);
        assert.equal(
          packages.some((each) => each.name === 'openssl'),
          node !== undefined,
        );
      }
    });

  it('says of each artefact which commit and which builds of Node it was made of', () => {
    const judge = new Ajv({ allErrors: true, strict: false, validateFormats: false }).compile(statementSchema);

    for (const name of artefacts) {
      const statement = JSON.parse(text(`${name}.intoto.json`)) as Statement;
      const { resolvedDependencies, internalParameters } = statement.predicate.buildDefinition;

      assert.equal(judge(statement), true, JSON.stringify(judge.errors));
      assert.deepEqual(statement.subject, [{ name, digest: { sha256: sha256(read(name)) } }]);
      assert.equal(resolvedDependencies[0]?.digest?.['gitCommit'], made.commit);
      assert.equal(internalParameters['uncommittedChanges'], false);
      const node = resolvedDependencies.filter(({ uri }) => uri?.startsWith('pkg:npm/node-linux-')).map(({ uri }) => uri);
      const arch = /x64|amd64/.test(name) ? 'x64' : /arm64/.test(name) ? 'arm64' : undefined;
      assert.deepEqual(node, arch === undefined ? [] : [`pkg:npm/node-linux-${arch}@${nodeVersion}`]);
    }
  });

  it('has compressed programs that generate takes for nodes, by their own digests', async () => {
    const [generate, out] = [join(made.first, 'kata-sysext-linux-x64'), join(made.folder, 'generated')];
    const bundle = ['https://files.example.org/kata.tar.zst', '--digest', `sha256:${'1'.repeat(64)}`];

    for (const arch of ['x64', 'arm64']) {
      const packed = join(made.first, `kata-sysext-linux-${arch}.zst`);
      const place = ['--program', packed, '--from', 'https://files.example.org', '-o', join(out, arch)];
      await run([generate, 'generate', 'butane', ...bundle, '--target', 'flatcar', ...place]);

      const written = readFileSync(join(out, arch, 'kata-sysext.bu'), 'utf8');
      assert.ok(
        written.includes(`fetch kata-sysext.zst ${sha256(readFileSync(packed))} https://files.example.org/kata-sysext-linux-${arch}.zst `),
      );
    }
  });

  it('has an npm package that npm installs without a network, with the files that npm itself packs', async () => {
    const folder = join(made.folder, 'npm');
    mkdirSync(folder);
    const npm = ['npm', '--offline', '--cache', join(folder, 'cache'), '--no-audit', '--no-fund'];
    const archive = join(made.first, `kata-sysext-${version}.tgz`);

    await run([...npm, 'install', '--global', '--prefix', folder, archive], { cwd: folder });
    const { stdout: said } = await run([join(folder, 'bin/kata-sysext'), '--version'], { cwd: '/' });
    const installed = join(folder, 'lib/node_modules/kata-sysext');
    const { stdout: packed } = await run([...npm, 'pack', '--dry-run', '--json', installed], { cwd: folder });
    const { stdout: listed } = await run(['tar', '-tzf', archive]);

    const [{ files }] = JSON.parse(packed) as [{ files: { path: string }[] }];
    const names = listed.split('\n').filter((line) => line !== '' && !line.endsWith('/'));
    assert.equal(said, `${version}\n`);
    assert.deepEqual(names.sort(byBytes), files.map(({ path }) => `package/${path}`).sort(byBytes));
  });

  it('has an install.sh that fetches, verifies and starts the program', async function () {
    needs(this, 'curl');
    const to = join(made.folder, 'installed');
    const server = await serveTls((request, ...rest) => sendFile(read(request.url!.slice(1)))(request, ...rest));
    try {
      const ran = await run(['sh', join(made.first, 'install.sh'), '--to', to, server.origin], {
        env: { CURL_CA_BUNDLE: authority, no_proxy: 'localhost' },
      });
      const { stdout } = await run([join(to, 'kata-sysext'), '--version']);

      assert.deepEqual([ran.stdout, stdout], ['', `${version}\n`]);
      assert.deepEqual(
        server.seen.map(({ path }) => path),
        ['/kata-sysext-linux-x64.zst'],
      );
      assert.equal(sha256(readFileSync(join(to, 'kata-sysext'))), sha256(read('kata-sysext-linux-x64')));
    } finally {
      await server.close();
    }
  });

  it('has an install.sh that takes /opt/bin where /usr/local is read-only', async function () {
    needs(this, 'curl');
    const server = await serveTls((request, ...rest) => sendFile(read(request.url!.slice(1)))(request, ...rest));
    const script = `mount -t tmpfs none /opt && mount -t tmpfs -o ro none /usr/local && sh "$0" "$1" && cd /opt/bin && ls -A && ./kata-sysext --version`;
    try {
      const argv = ['unshare', '--mount', '--propagation', 'private', 'sh', '-c', script, join(made.first, 'install.sh'), server.origin];
      const ran = await run(argv, { env: { CURL_CA_BUNDLE: authority, no_proxy: 'localhost', PATH: '/usr/sbin:/usr/bin:/sbin:/bin' } });

      assert.equal(ran.stdout, `kata-sysext\n${version}\n`);
    } finally {
      await server.close();
    }
  });
});

interface Statement {
  subject: unknown;
  predicate: {
    buildDefinition: {
      resolvedDependencies: { uri?: string; digest?: Record<string, string> }[];
      internalParameters: Record<string, unknown>;
    };
  };
}

/** The packages whose licences a text has, but Node: 'name version' above a line of dashes. */
function licensed(licences: string): string[] {
  return [...new Set([...licences.matchAll(/^(\S+ \d\S*)\n-{72}$/gm)].map(([, name]) => name!))]
    .filter((name) => !name.startsWith('Node.js '))
    .sort(byBytes);
}
