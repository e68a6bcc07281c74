import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fetchFunction, fetchLine } from '../../cli/generate/forms/common.ts';
import { needs } from '../support/needs.ts';
import { textFiles } from '../support/textFiles.ts';

const bytes = Buffer.alloc(300_000, 'kata');
const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}` as const;

type Answer = (response: ServerResponse, from: number) => void;

const well: Answer = (response, from) => response.writeHead(from > 0 ? 206 : 200, lengthFrom(from)).end(bytes.subarray(from));
const half: Answer = (response, from) => {
  response.writeHead(from > 0 ? 206 : 200, lengthFrom(from));
  response.write(bytes.subarray(from, from + 100_000), () => response.destroy());
};
const endless: Answer = (response) => {
  response.writeHead(200);
  const more = () => !response.destroyed && response.write(bytes, more);
  more();
};
const status =
  (code: number): Answer =>
  (response) =>
    response.writeHead(code).end('not here\n');

function lengthFrom(from: number) {
  return {
    'content-length': bytes.length - from,
    ...(from > 0 ? { 'content-range': `bytes ${from}-${bytes.length - 1}/${bytes.length}` } : {}),
  };
}

/** The shell's part that fetches, with the real curl and a server of this process; systemctl and sleep are stand-ins that write down what they are asked. */
describe('what a node fetches', function () {
  this.timeout(300_000);
  const texts = textFiles();
  let server: Server | undefined;
  let answer: Answer;
  let work: string;
  const asked: string[] = [];

  before(async function () {
    needs(this, 'curl');
    const made = createServer((request, response) => {
      asked.push(request.headers.range ?? 'whole');
      answer(response, Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0));
    });
    server = made;
    await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve));
  });
  after(() => {
    server?.closeAllConnections();
    server?.close();
  });
  beforeEach(() => {
    asked.length = 0;
    work = join(texts.folder, 'work');
    rmSync(work, { recursive: true, force: true });
    mkdirSync(work);
    rmSync(join(texts.folder, 'programs'), { recursive: true, force: true });
    stub('systemctl', 'exit 0');
  });

  it('a transfer that broke off is gone on with, also when the server was away or busy between', async () => {
    for (const next of [half, status(503)]) {
      answer = next;
      assert.equal((await fetched()).status, 69);
    }
    const { port } = server!.address() as AddressInfo;
    server!.closeAllConnections();
    await new Promise((resolve) => server!.close(resolve));
    const absent = await fetched(port);
    await new Promise<void>((resolve) => server!.listen(port, '127.0.0.1', resolve));
    answer = well;
    asked.length = 0;

    const ran = await fetched();

    assert.match(absent.said, /could not be fetched \(curl: 7\)/);
    assert.deepEqual([ran.status, asked], [0, ['bytes=100000-']]);
    assert.deepEqual(readFileSync(join(work, 'file')), bytes);
  });

  it('what the server has no more is begun anew', async () => {
    answer = half;
    await fetched();
    answer = status(404);
    await fetched();

    assert.equal(existsSync(join(work, 'file.part')), false);
  });

  it('a server that sends without end is broken off at the size that is known, or at one that no release has', async () => {
    answer = endless;

    const known = await fetched();
    const unknown = await fetched(undefined, (text) => text.replace('8589934592', '1000000'), {});

    assert.deepEqual([known.status, unknown.status, existsSync(join(work, 'file.part'))], [69, 69, false]);
    assert.match(known.said, /it is larger than 300000 bytes; the node runs without Kata; the next try is in 30 s/);
    assert.match(unknown.said, /it is larger than 1000000 bytes/);
  });

  it('a disk without room is told before anybody is asked', async () => {
    stub('df', 'echo Filesystem; echo "/dev/x 100 50 200 50% /var"');

    const ran = await fetched();

    assert.deepEqual([ran.status, asked], [69, []]);
    assert.match(ran.said, /has 200 KiB free, and 293 KiB are needed/);
  });

  it('the network is waited for, for a minute and not longer, by the try and not by the unit', async () => {
    answer = well;
    stub('systemctl', 'echo "$*" >>"$(dirname "$0")/said"; case $1 in is-active) exit 3;; esac');

    const ran = await fetched();

    assert.equal(ran.status, 0);
    assert.match(ran.systemctl, /^start --no-block network-online\.target\nis-active /);
    assert.equal(ran.sleeps.length, 60);
  });

  it('where systemd has no network to wait for, nothing is waited for', async () => {
    answer = well;
    stub('systemctl', 'exit 5');

    const ran = await fetched();

    assert.deepEqual([ran.status, ran.sleeps], [0, []]);
  });

  it('the first ten pauses are those of the unit, then they grow up to half an hour, and differ', async () => {
    answer = status(503);
    const slept: number[] = [];
    for (let tries = 0; tries < 20; tries += 1) {
      const { sleeps, said } = await fetched();
      slept.push(Number(sleeps[0] ?? 0));
      assert.match(said, new RegExp(`the next try is in ${30 + slept.at(-1)!} s`));
    }

    assert.deepEqual(slept.slice(0, 10), Array(10).fill(0));
    for (const [index, seconds] of slept.slice(10).entries()) {
      const most = 30 * 2 ** Math.min(index + 1, 6) - 30;
      assert.ok(seconds <= most && seconds > most - (most + 30) / 2, `${seconds} s after try ${index + 11}`);
    }
    assert.ok(new Set(slept.slice(-5)).size > 1);
  });

  function stub(name: string, text: string): void {
    const programs = join(texts.folder, 'programs');
    mkdirSync(programs, { recursive: true });
    writeFileSync(join(programs, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(programs, name), 0o755);
  }

  /** One try, in a process of its own. */
  async function fetched(
    port = (server!.address() as AddressInfo).port,
    change = (text: string) => text,
    size: { sizeBytes?: number } = { sizeBytes: bytes.length },
  ) {
    const programs = join(texts.folder, 'programs');
    stub('sleep', 'echo "$1" >>"$(dirname "$0")/slept"');
    const line = fetchLine({ name: 'file', digest, url: `http://127.0.0.1:${port}/file`, ...size });
    const own = texts.put('fetch.sh', `set -eu\nwork=${work}\ncount=${work}/tries\n${change(fetchFunction())}\n${line}\n`);
    const ran = await new Promise<{ status: number; said: string }>((resolve) =>
      execFile('sh', [own], { env: { PATH: `${programs}:/usr/sbin:/usr/bin` } }, (error, _stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code), said: stderr }),
      ),
    );
    const of = (name: string) => (existsSync(join(programs, name)) ? readFileSync(join(programs, name), 'utf8') : '');
    const result = { ...ran, sleeps: of('slept').split('\n').slice(0, -1), systemctl: of('said') };
    for (const name of ['slept', 'said']) rmSync(join(programs, name), { force: true });
    return result;
  }
});
