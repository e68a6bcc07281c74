import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { run } from '../lab/run.ts';
import { removeAfter } from '../support/endings.ts';
import { type Machine, machine, programSaying, scriptFor } from '../support/installRun.ts';
import { needs } from '../support/needs.ts';
import { type Answerer, sendFile, serveTls, type TlsServer } from '../support/tlsServer.ts';
import { scratch } from '../support/trees/treeHost.ts';

const version = '1.2.3';
const name = 'kata-sysext-linux-x64';
const program = programSaying(version);
const script = scriptFor(version, { [name]: program, [`${name}.zst`]: Buffer.from('not asked for'), 'kata-sysext-linux-arm64': program });
const amd64: [string, string] = ['uname', '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo x86_64\n'];

describe('install.sh', function () {
  this.timeout(120_000);
  const folder = scratch('install-sh');
  removeAfter(() => folder);
  let servers: { close(): Promise<void> }[] = [];
  let count = 0;

  const onMachine = (programs: (string | [string, string])[] = ['curl'], without: string[] = []): Machine => {
    count += 1;
    return machine(join(folder, String(count)), [amd64, ...programs], ['uname', ...without]);
  };
  const serve = async (answer: Answerer): Promise<TlsServer> => {
    const server = await serveTls(answer);
    servers.push(server);
    return server;
  };
  const servePlain = async (answer: Answerer): Promise<{ origin: string; seen: string[] }> => {
    const seen: string[] = [];
    const server: Server = createServer((request, response) => {
      seen.push(request.url ?? '');
      answer(request, response, seen.length);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    servers.push({
      close: async () => {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    });
    return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen };
  };
  afterEach(async () => {
    for (const server of servers) await server.close();
    servers = [];
  });

  it('puts a program that has its digest into the folder, and starts it only then', async function () {
    needs(this, 'curl');
    const [server, here] = [await serve(sendFile(program)), onMachine()];

    const ran = await here.install(script, [`${server.origin}/kata//`]);

    assert.deepEqual([ran.code, ran.stdout], [0, '']);
    assert.match(ran.stderr, new RegExp(`^kata-sysext 1\\.2\\.3 is ${here.to}/kata-sysext\nnext: ${here.to}/kata-sysext check\n$`, 'm'));
    assert.deepEqual(here.found(), { names: ['kata-sysext', 'ran'], ran: 1, program: program.toString(), mode: 0o755 });
    assert.deepEqual(
      server.seen.map(({ path }) => path),
      [`/kata/${name}`],
    );
  });

  it('fetches the compressed program where zstd can unpack it, and verifies both forms', async function () {
    needs(this, 'curl', 'zstd');
    const packed = compressed(program);
    const [good, bad] = [scriptFor(version, { [name]: program, [`${name}.zst`]: packed }), compressed(programSaying('6.6.6'))];
    const [server, here, there] = [await serve(sendFile(packed)), onMachine(['curl', 'zstd']), onMachine(['curl', 'zstd'])];
    const other = await serve(sendFile(bad));

    const ran = await here.install(good, [server.origin]);
    // Its own digest is right, and it unpacks to something else.
    const refused = await there.install(scriptFor(version, { [name]: program, [`${name}.zst`]: bad }), [other.origin]);

    assert.equal(ran.code, 0, ran.stderr);
    assert.deepEqual(here.found(), { names: ['kata-sysext', 'ran'], ran: 1, program: program.toString(), mode: 0o755 });
    assert.equal(refused.code, 4, refused.stderr);
    assert.deepEqual(there.found().names, []);
  });

  for (const shell of ['dash', 'bash', 'busybox sh'])
    it(`comes through a pipe into ${shell}`, async function () {
      needs(this, 'curl', shell.split(' ')[0]!);
      const [server, here] = [await serve(sendFile(program)), onMachine()];

      const ran = await here.install(script, [server.origin], { shell: ['/bin/sh', '-c', `exec /bin/${shell} -s -- "$@" <"$0"`] });

      assert.equal(ran.code, 0, ran.stderr);
      assert.equal(here.found().program, program.toString());
    });

  it('does nothing when it arrives in part, wherever it ends', async function () {
    needs(this, 'curl');
    const server = await serve(sendFile(program));
    const here = onMachine();
    const last = script.lastIndexOf('}');
    const ends = Array.from({ length: last }, (_, at) => at).filter((at) => at % 101 === 0 || at > last - 40);

    const ran = [];
    for (const end of ends) ran.push(await here.install(script.slice(0, end), [], { env: { KATA_SYSEXT_URL: server.origin } }));
    const whole = await here.install(script.slice(0, last + 1), [], { env: { KATA_SYSEXT_URL: server.origin } });

    assert.ok(ran.length > 80);
    assert.ok(ran.every(({ stdout, stderr }) => stdout === '' && !stderr.includes('fetching')));
    assert.equal(whole.code, 0, whole.stderr);
    assert.equal(server.seen.length, 1);
  });

  it('refuses addresses that are not https, and http from other machines in each case', async function () {
    needs(this, 'curl');
    const here = onMachine();
    const addresses = [
      ...['http://files.example.org/kata', 'http://127.0.0.1.example.org/', 'http://127.0.0.1@example.org/', 'http://localhost:80a/'],
      ...[
        'http://localhost:/',
        'http://[::1].example.org/',
        'ftp://localhost/',
        'file:///etc',
        'localhost',
        'https://',
        '',
        'https:///kata',
      ],
      ...[
        'https://user:word@files.example.org/',
        'https://files.example.org/?a',
        'https://files.example.org/#a',
        'https://a b',
        'https://$(id)',
      ],
    ];

    const ran = [];
    for (const address of addresses) ran.push(await here.install(script, ['--allow-loopback-http', address]));

    assert.deepEqual(
      ran.map(({ code }) => code),
      addresses.map(() => 2),
    );
    assert.ok(ran.every(({ stderr }) => /^error: .*\n {2}needed: .*\n {2}next: .*\n$/.test(stderr)));
    assert.deepEqual(here.found().names, []);
  });

  it('takes http from this machine itself only when told, by curl and by wget', async function () {
    needs(this, 'curl', 'wget');
    const server = await servePlain(sendFile(program));

    const [untold, curl, wget] = [onMachine(['curl']), onMachine(['curl']), onMachine(['wget'])];
    const refused = await untold.install(script, [server.origin]);
    const byCurl = await curl.install(script, ['--allow-loopback-http', server.origin]);
    const byWget = await wget.install(script, ['--allow-loopback-http', server.origin]);

    assert.deepEqual([refused.code, byCurl.code, byWget.code], [2, 0, 0], byCurl.stderr + byWget.stderr);
    assert.equal(server.seen.length, 2);
    assert.deepEqual(
      [curl, wget].map((each) => each.found().program),
      [program.toString(), program.toString()],
    );
  });

  it('follows redirects to https and none to http', async function () {
    needs(this, 'curl', 'wget');
    const plain = await servePlain(sendFile(program));
    const there = await serve(sendFile(program));
    const to =
      (place: string): Answerer =>
      (_, response) =>
        response.writeHead(302, { location: `${place}/${name}` }).end();
    const [up, down, away] = [await serve(to(there.origin)), await serve(to(plain.origin)), await servePlain(to(plain.origin))];
    const [first, second, third] = [onMachine(), onMachine(), onMachine(['wget'])];

    const followed = await first.install(script, [up.origin]);
    const refused = await second.install(script, [down.origin]);
    const byWget = await third.install(script, ['--allow-loopback-http', away.origin]);

    assert.equal(followed.code, 0, followed.stderr);
    assert.deepEqual([refused.code, byWget.code], [1, 1]);
    assert.equal(plain.seen.length, 0);
  });

  it('believes no certificate that no authority signed, whatever curl and wget are configured to', async function () {
    needs(this, 'curl', 'wget');
    const server = await serve(sendFile(program));
    const [curl, wget] = [onMachine(['curl']), onMachine(['wget'])];
    for (const { to } of [curl, wget]) {
      writeFileSync(join(to, '../home/.curlrc'), 'insecure\n');
      writeFileSync(join(to, '../home/.wgetrc'), 'check_certificate = off\n');
    }

    const ran = [await curl.install(script, [server.origin], { env: { CURL_CA_BUNDLE: '' } }), await wget.install(script, [server.origin])];

    assert.deepEqual(
      ran.map(({ code }) => code),
      [1, 1],
    );
    assert.equal(server.seen.length, 0);
  });

  const hostile: Record<string, [code: number, answer: Answerer, said?: RegExp]> = {
    'other bytes of the same length': [4, sendFile(programSaying('6.6.6'))],
    'fewer bytes, as if they were all': [4, sendFile(program.subarray(0, 30)), /^error: \S+ has 30 bytes$/m],
    'more bytes': [4, sendFile(Buffer.concat([program, Buffer.from('echo more\n')]))],
    'a page that says that there is no such file': [1, (_, response) => response.writeHead(404).end('<html>')],
    'half of the bytes, and hangs up': [
      1,
      (_, response) => {
        response.writeHead(200, { 'content-length': program.length });
        response.write(program.subarray(0, 30), () => response.destroy());
      },
    ],
    'bytes without end': [
      4,
      (_, response) => {
        const more = () =>
          response.write(Buffer.alloc(65_536, '#'), (error) => (error === null || error === undefined) && setImmediate(more));
        more();
      },
    ],
  };
  for (const [what, [code, answer, said = /^error: /m]] of Object.entries(hostile))
    for (const client of ['curl', 'wget'])
      it(`refuses a server that sends ${what} (${client}), and leaves the program that was there`, async function () {
        needs(this, client);
        const [server, here] = [await servePlain(answer), onMachine([client])];
        writeFileSync(join(here.to, 'kata-sysext'), 'earlier');

        const ran = await here.install(script, ['--allow-loopback-http', server.origin]);

        assert.equal(ran.code, code, ran.stderr);
        assert.match(ran.stderr, /^error: .*\n {2}needed: .*\n {2}next: .*\n$/m);
        assert.match(ran.stderr, said);
        assert.deepEqual(here.found(), { names: ['kata-sysext'], ran: 0, program: 'earlier', mode: 0o644 });
      });

  it('leaves the earlier program where the new one does not start or says another version', async function () {
    needs(this, 'curl');
    const ran = [];
    for (const bytes of [programSaying('9.9.9'), Buffer.from('#!/nowhere\n')]) {
      const [server, here] = [await serve(sendFile(bytes)), onMachine()];
      writeFileSync(join(here.to, 'kata-sysext'), 'earlier');
      const { code } = await here.install(scriptFor(version, { [name]: bytes }), [server.origin]);
      ran.push([code, here.found().program]);
    }

    assert.deepEqual(ran, [
      [3, 'earlier'],
      [3, 'earlier'],
    ]);
  });

  it('writes through no link and into no folder that is in the place of the program', async function () {
    needs(this, 'curl');
    const server = await serve(sendFile(program));
    const [linked, taken] = [onMachine(), onMachine()];
    const target = join(linked.to, '../target');
    writeFileSync(target, 'of another program');
    symlinkSync(target, join(linked.to, 'kata-sysext'));
    mkdirSync(join(taken.to, 'kata-sysext'));

    const ran = [await linked.install(script, [server.origin]), await taken.install(script, [server.origin])];

    assert.deepEqual([ran[0]!.code, ran[1]!.code], [0, 3]);
    assert.equal(readFileSync(target, 'utf8'), 'of another program');
    assert.equal(linked.found().program, program.toString());
  });

  it('names what a machine lacks before it fetches anything', async function () {
    needs(this, 'curl', 'busybox');
    const server = await serve(sendFile(program));
    const busybox: [string, string] = ['wget', '#!/bin/sh\nexec /bin/busybox wget "$@"\n'];
    const riscv: [string, string] = ['uname', '#!/bin/sh\n[ "$1" = -s ] && echo Linux || echo riscv64\n'];
    const machines: [RegExp, Machine][] = [
      [/neither curl nor GNU wget/, onMachine([])],
      [/neither curl nor GNU wget/, onMachine([busybox])],
      [/sha256sum is not on this machine/, onMachine(['curl'], ['sha256sum'])],
      [/this machine is Linux on riscv64/, machine(join(folder, 'riscv'), ['curl', riscv], ['uname'])],
    ];

    const ran = [];
    for (const [, each] of machines) ran.push(await each.install(script, [server.origin]));

    for (const [index, [said]] of machines.entries()) assert.match(ran[index]!.stderr, said);
    assert.deepEqual(
      ran.map(({ code }) => code),
      [3, 3, 3, 3],
    );
    assert.equal(server.seen.length, 0);
  });

  it('is one that shellcheck has nothing to say of', async function () {
    needs(this, 'shellcheck');

    const said = await run(['shellcheck', '--shell=sh', '-'], { input: script, allowFailure: true });

    assert.deepEqual([said.code, said.stdout], [0, '']);
  });
});

function compressed(bytes: Buffer): Buffer {
  return execFileSync('zstd', ['-q', '-c'], { input: bytes });
}
