import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type NodeRequest, requestDigest } from '../../cli/requests/index.ts';
import { FIRST, SECOND } from '../lab/release/index.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { checkJson } from '../support/judges/schemas.ts';
import { textFiles } from '../support/textFiles.ts';
import { type InProcessTree, inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';

const own = ['var/lib/kata-sysext/requests.json', 'etc/kata-sysext/report.json'];

interface Report {
  state: string;
  ready: boolean;
  reason: string;
  code?: string;
  release?: string;
  generation?: number;
  restarts: number;
  wouldWriteBytes?: number;
}

describe('apply: a node as a request says', function () {
  this.timeout(300_000);
  const texts = textFiles();
  let first: string;
  let second: string;
  let host: InProcessTree | undefined;
  before(async () => {
    ({ first, second } = await plainReleases());
  });
  beforeEach(() => {
    host = inProcessTree('fcos');
  });
  afterEach(() => host?.remove());

  function request(more: object): string {
    const path = join(texts.folder, 'request.json');
    const value = { apiVersion: 'kata-sysext/v1', kind: 'Request', mode: 'install', ...more };
    checkJson(value);
    writeFileSync(path, JSON.stringify(value));
    return path;
  }

  /** A lab has no KVM. */
  const of = (from: string, more: object = {}) => request({ bundles: [{ from }], allow: [], ...more });

  async function apply(file: string, status = 0, env: Record<string, string> = {}): Promise<Report> {
    return (await host!.json(['apply', file], status, env)) as unknown as Report;
  }

  /** What differs outside of kata-sysext's own folders. */
  function foreign(before: string[]): string[] {
    return differences(before, host!.listing(own)).filter((line) => !/(?:etc|var\/lib)\/kata-sysext(?:\/| |$)/.test(line));
  }

  it('installs it once, and writes a report that a shell can read', async () => {
    const before = host!.listing(own);

    const observed = await apply(of(first, { mode: 'observe' }));
    const untouched = foreign(before);
    const done = await apply(of(first));
    const tree = host!.listing(own);
    const kept = ['etc/kata-sysext/report.json', 'var/lib/kata-sysext/requests.json'].map((path) => host!.path(path));
    const inodes = kept.map((path) => statSync(path).ino);
    const again = await apply(of(first));
    const report = readFileSync(kept[0]!, 'utf8');

    assert.deepEqual([observed.state, observed.ready, untouched], ['observed', true, []]);
    assert.ok((observed.wouldWriteBytes ?? 0) > 0);
    assert.deepEqual([done.state, done.release, done.generation], ['done', FIRST, 1]);
    assert.deepEqual([again.state, again.generation, differences(tree, host!.listing(own))], ['done', 1, []]);
    // A file that is written is another one.
    assert.deepEqual(
      kept.map((path) => statSync(path).ino),
      inodes,
    );
    assert.match(report, /^ {2}"ready": true,$/m);
    checkJson(JSON.parse(report) as Record<string, unknown>);
  });

  it('remembers one that failed, begins no new one, and goes on with a higher retry', async () => {
    await apply(of(first));
    const tree = host!.listing(own);

    const failed = await apply(of(second), 1, { KATA_SYSEXT_FAILPOINT: 'commit/before=error' });
    const repeated = await apply(of(second), 1);
    const other = await apply(of(second, { settings: ['default_memory=4096'] }));
    const kept = await apply(of(first));
    const untouched = differences(tree, host!.listing(own));
    const tried = await apply(of(second, { retry: 1 }));

    assert.deepEqual([failed.state, failed.ready, failed.release], ['failed', false, FIRST]);
    assert.deepEqual([repeated.state, repeated.code, repeated.reason], ['failed', failed.code, failed.reason]);
    assert.deepEqual([other.state, other.ready], ['held', true]);
    assert.equal(kept.state, 'done');
    assert.deepEqual(untouched, []);
    assert.deepEqual([tried.state, tried.release], ['done', SECOND]);
  });

  it('begins no new one on a node that was away, until a higher retry, and never holds what was well here', async () => {
    const minute = 60_000;
    const since = (ms: number) => ['--ready-since', new Date(Date.now() - ms).toISOString()];
    const applied = async (file: string, words: string[], askedMs = 0) => {
      const asked = new Date(Date.now() - askedMs);
      utimesSync(file, asked, asked);
      return (await host!.json(['apply', file, ...words])) as unknown as Report;
    };
    const reportedHoursAgo = () => {
      const report = host!.path('etc/kata-sysext/report.json');
      const at = new Date(Date.now() - 120 * minute).toISOString();
      writeFileSync(report, readFileSync(report, 'utf8').replace(/"at": "[^"]+"/, `"at": "${at}"`));
    };
    await applied(of(first), since(1000));
    reportedHoursAgo();
    const tree = host!.listing(own);

    const held = await applied(of(second), since(minute));
    const later = await applied(of(second), since(1440 * minute));
    const kept = await applied(of(first), since(minute));
    // The report is newer than the return by now.
    const other = await applied(of(second, { settings: ['default_memory=4096'] }), []);
    const untouched = differences(tree, host!.listing(own));
    const tried = await applied(of(second, { retry: 1 }), since(minute));
    reportedHoursAgo();
    const came = await applied(of(first, { settings: ['default_memory=4096'] }), since(minute), 2 * minute);

    assert.deepEqual([held.state, held.ready, held.release], ['held', true, FIRST]);
    assert.match(held.reason, /^the node was away until .*: a new request begins with a higher retry$/);
    assert.deepEqual([later.state, later.reason], ['held', held.reason]);
    assert.equal(kept.state, 'done');
    assert.equal(other.state, 'held');
    assert.deepEqual(untouched, []);
    assert.deepEqual([tried.state, tried.release], ['done', SECOND]);
    // It was here before the node went away.
    assert.equal(came.state, 'done');
  });

  it('refuses a time that is none', async () => {
    const refused = await host!.json(['apply', of(first), '--ready-since', 'yesterday'], 2);

    assert.match(String(refused['found']), /--ready-since yesterday is no time/);
  });

  it('is not tried again where the node goes down in the middle of it twice', async () => {
    await apply(of(first));
    const failed = await apply(of(second), 1, { KATA_SYSEXT_FAILPOINT: 'commit/before=error' });
    const memory = host!.path('var/lib/kata-sysext/requests.json');
    // As a loss of power leaves it, in the second try.
    const down = readFileSync(memory, 'utf8').replace('"outcome": "failed"', '"outcome": "began",\n"interrupted": 1');
    writeFileSync(memory, down);

    const third = await apply(of(second), 1);
    const other = await apply(of(first));

    assert.equal(failed.state, 'failed');
    assert.match(down, /"began"/);
    assert.deepEqual([third.state, third.code], ['failed', 'interrupted']);
    assert.deepEqual([other.state, other.release], ['done', FIRST]);
  });

  it('goes back to a generation of an artefact without asking its registry', async () => {
    const artefact: NodeRequest = {
      apiVersion: 'kata-sysext/v1',
      kind: 'Request',
      mode: 'install',
      allow: [],
      // Nothing answers there.
      bundles: [{ from: `oci://127.0.0.1:1/kata@sha256:${'1'.repeat(64)}` }],
    };
    await apply(of(first));
    await apply(of(second));
    // As if the first one had come from there.
    const memory = host!.path('var/lib/kata-sysext/requests.json');
    const { attempts, ...rest } = JSON.parse(readFileSync(memory, 'utf8')) as { attempts: object[] };
    writeFileSync(memory, JSON.stringify({ ...rest, attempts: [{ ...attempts[0], request: requestDigest(artefact) }, attempts[1]] }));

    const back = await apply(request(artefact));

    assert.deepEqual([back.state, back.release, back.generation], ['done', FIRST, 1]);
  });

  it('takes passwords and certificates from files of the node, which the request names', async () => {
    const from = { bundles: [{ from: `oci://127.0.0.1:1/kata@sha256:${'1'.repeat(64)}` }] };
    const open = join(texts.folder, 'open.json');
    writeFileSync(open, '{"auths": {}}', { mode: 0o644 });

    const password = await apply(request({ ...from, registryAuth: open }), 2);
    assert.equal(password.state, 'waiting');
    const certificate = await apply(request({ ...from, caFile: '/nowhere/own.pem', retry: 1 }), 2);

    assert.match(password.reason, /open\.json/);
    assert.match(certificate.reason, /\/nowhere\/own\.pem/);
  });

  it('clears what the request before chose and this one leaves out', async () => {
    const settings = ['default_memory=4096', 'default_vcpus=2'];
    await apply(of(first, { settings, profiles: ['debug'], aliases: ['kata=qemu-runtime-rs'] }));
    const before = await host!.json(['configure']);

    await apply(of(first, { settings: ['default_vcpus=2'] }));
    const after = await host!.json(['configure']);
    const { generations } = (await host!.json(['status'])) as {
      generations: { active: boolean; handlers: string[]; aliases: unknown[] }[];
    };
    const active = generations.find((generation) => generation.active);
    const tree = host!.listing(own);
    await apply(of(first, { settings: ['default_vcpus=2'] }));

    assert.match(JSON.stringify(before), /default_memory/);
    assert.match(JSON.stringify(after), /default_vcpus/);
    assert.doesNotMatch(JSON.stringify(after), /default_memory|"profiles":\["debug/);
    assert.deepEqual([active?.handlers, active?.aliases], [['kata-qemu-runtime-rs'], []]);
    assert.deepEqual(differences(tree, host!.listing(own)), []);
  });

  it('goes back to a generation that is still here, without its archive', async () => {
    const moved = join(texts.folder, 'kata-first.tar');
    writeFileSync(moved, readFileSync(first));
    await apply(of(moved));
    await apply(of(second));
    renameSync(moved, `${moved}.away`);

    const back = await apply(of(moved));

    assert.deepEqual([back.state, back.release, back.generation], ['done', FIRST, 1]);
  });

  it('uninstalls: only the report stays, and twice is once', async () => {
    const before = host!.listing(own);
    await apply(of(first));

    const gone = await apply(request({ mode: 'uninstall' }));
    const again = await apply(request({ mode: 'uninstall' }));

    assert.deepEqual([gone.state, gone.release, again.state], ['done', undefined, 'done']);
    const left = differences(before, host!.listing(own));
    assert.deepEqual(
      left.filter((line) => !/(?:etc|var\/lib)\/kata-sysext(?:\/| |$)/.test(line)),
      [],
    );
    assert.equal(existsSync(host!.path('etc/kata-sysext/report.json')), true);
  });

  it('needs no bundle for what the node has already', async () => {
    const bundle = join(texts.folder, 'gone.tar');
    writeFileSync(bundle, readFileSync(first));
    const done = await apply(of(bundle));
    const tree = host!.listing(own);
    rmSync(bundle);

    const again = await apply(of(bundle));
    const same = foreign(tree);
    const other = await apply(of(join(texts.folder, 'never.tar')), 4);

    assert.deepEqual([again.state, again.generation, again.release], ['done', done.generation, done.release]);
    assert.deepEqual(same, []);
    assert.deepEqual([other.state, other.code], ['failed', 'bundle-missing']);
  });

  it('leaves an uninstall by hand byte for byte what was there before', async () => {
    const before = host!.listing();
    await apply(of(first));

    await host!.json(['uninstall', '--purge']);

    assert.deepEqual(differences(before, host!.listing()), []);
  });

  it('leaves a file of that name that is no report to its owner', async () => {
    await host!.json(['install', first]);
    writeFileSync(host!.path('etc/kata-sysext/report.json'), 'mine\n');

    await host!.json(['uninstall', '--purge']);

    assert.equal(readFileSync(host!.path('etc/kata-sysext/report.json'), 'utf8'), 'mine\n');
  });

  it('waits where another change runs, and goes on knowing that the request was well before', async () => {
    await apply(of(first));
    const known = readFileSync(host!.path('var/lib/kata-sysext/requests.json'), 'utf8');
    const holder = spawn('flock', ['--no-fork', host!.path('var/lib/kata-sysext/lock'), 'sh', '-c', 'echo held; exec sleep 600']);
    await once(holder.stdout, 'data');

    const waiting = await apply(of(first), 75).finally(() => holder.kill());

    assert.deepEqual([waiting.state, waiting.ready, waiting.code], ['waiting', false, 'lock-held']);
    assert.equal(readFileSync(host!.path('var/lib/kata-sysext/requests.json'), 'utf8'), known);
  });

  it('says why an archive is missing, and takes it with a higher retry', async () => {
    const absent = join(texts.folder, 'absent\u202e.tar');

    const failed = await apply(of(absent), 4);
    const report = readFileSync(host!.path('etc/kata-sysext/report.json'), 'utf8');
    writeFileSync(absent, readFileSync(first));
    const retried = await apply(of(absent, { retry: 1 }));

    assert.deepEqual([failed.state, failed.code], ['failed', 'bundle-missing']);
    assert.match(report, /absent\\u202e\.tar/);
    assert.equal(retried.state, 'done');
  });

  it('refuses words that are wrong as an install does, and remembers no failure', async () => {
    const wrong = (await host!.json(['apply', of(first, { allow: ['no-such-code'] })], 2)) as { code?: string };
    const done = await apply(of(first, { allow: ['host-no-kvm'] }));

    assert.equal(wrong.code, 'usage');
    assert.equal(done.state, 'done');
  });

  it('calls no node ready for a request whose words every node refuses, whatever its mode', async () => {
    const before = host!.listing();
    const wrong: NodeRequest['bundles'][] = [
      [{ from: 'http://files.example.org/kata.tar', digest: `sha256:${'2'.repeat(64)}` }],
      [{ from: 'kata@9.9.9' }],
    ];

    const answers = [];
    for (const bundles of wrong)
      for (const mode of ['observe', 'install']) answers.push(await host!.run(['apply', request({ mode, bundles, allow: [] }), '--json']));

    const said = answers.map(({ status, stdout }) => [status, (JSON.parse(stdout) as { kind: string; code: string }).code]);
    assert.deepEqual(said, [...Array(2).fill([2, 'usage']), ...Array(2).fill([4, 'release-unknown'])]);
    assert.deepEqual(differences(before, host!.listing()), []);
  });

  it('refuses a file that is no request, and changes nothing', async () => {
    const before = host!.listing();
    const files = [
      '[]',
      '{"apiVersion":"kata-sysext/v1","kind":"Request","mode":"install"}',
      '{"apiVersion":"kata-sysext/v1","kind":"Request","mode":"install","bundles":[{"from":"/a"}],"handler":["qemu"]}',
      '{"apiVersion":"kata-sysext/v1","kind":"Request","mode":"install","mode":"uninstall"}',
      '{"apiVersion":"kata-sysext/v1","kind":"Request","mode":"observe","__proto__":{"retry":1}}',
      ' '.repeat(70_000),
    ];

    for (const text of files) {
      const path = join(texts.folder, 'bad.json');
      writeFileSync(path, text);
      const { code } = (await host!.json(['apply', path], 2)) as { code: string };
      assert.equal(code, 'request-unfit', text.slice(0, 80));
    }
    assert.deepEqual(differences(before, host!.listing()), []);
  });
});
