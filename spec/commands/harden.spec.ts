import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { json, program, repo } from '../support/program.ts';

/** Put before the program: at its end, says what Object.prototype is; at its start, what is loaded before it is hardened. */
const watcher = `
  process.on('exit', () => {
    const own = Object.prototype;
    let taken = 'refused';
    try { 'use strict'; Object.defineProperty(own, 'env', { value: {} }); taken = 'taken'; } catch {}
    process._rawDebug('HARDENED ' + JSON.stringify({ extensible: Object.isExtensible(own), accessor: '__proto__' in own, taken, frozen: Object.isFrozen(own) }));
  });
`;

describe('the program as it starts', function () {
  this.timeout(120_000);
  let folder: string;
  let preload: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-harden-'));
    preload = join(folder, 'watcher.cjs');
    writeFileSync(preload, watcher);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  const ways: [what: string, command: () => string[]][] = [
    ['from the sources', () => ['--import', 'tsx', 'cli/main.ts']],
    ['as it is built', () => [program()]],
  ];
  for (const [what, command] of ways) {
    it(`${what}: nothing can be added to Object.prototype, and no key leads to it`, () => {
      const args = ['--require', preload, ...command(), 'install', '--help'];

      const { status, stderr } = spawnSync(process.execPath, args, { cwd: repo, encoding: 'utf8' });

      const [, said] = /HARDENED (.*)/.exec(stderr) ?? [];
      assert.equal(status, 0, stderr);
      assert.deepEqual(JSON.parse(said ?? 'null'), { extensible: false, accessor: false, taken: 'refused', frozen: false });
    });
  }

  it('every file of the build begins with it: an imported part is evaluated before the file that imports it', () => {
    const built = join(program(), '..');
    const files = readdirSync(built, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.mjs'));

    const heads = files.map((name) => readFileSync(join(built, name), 'utf8').slice(0, 400));

    assert.ok(files.length > 20);
    for (const head of heads)
      assert.match(
        head,
        /^(#![^\n]*\n)?import \{ createRequire as ownRequire \} from "node:module"; \{Reflect\.deleteProperty\(Object\.prototype,"__proto__"\)/,
      );
  });

  for (const word of ['constructor', 'toString', '__proto__', 'prototype']) {
    it(`knows no error code ${word}`, async () => {
      const error = await json(['explain', word], 2);

      assert.equal(error['code'], 'unknown-code');
    });
  }

  it('its dependencies work with it: containerd’s and PID 1’s protocols, TOML, the command line, folders', () => {
    const script = `
      import '${join(repo, 'cli/harden.ts')}';
      const { openCri } = await import('${join(repo, 'cli/cri/client.ts')}');
      const cri = await openCri('/nonexistent.sock', 500);
      await cri.status(false).catch((error) => console.log('cri', error.code));
      const dbus = (await import('dbus-next')).default;
      const message = new dbus.Message({ destination: 'a.b', path: '/c', interface: 'd.e', member: 'F', signature: 'sa{sv}t', body: ['x', { y: new dbus.Variant('s', 'z') }, 5n] });
      console.log('dbus', message.body[0]);
      const fs = (await import('fs-extra')).default;
      await fs.ensureDir(process.argv.at(-1) + '/a/b');
      await fs.remove(process.argv.at(-1) + '/a');
      console.log('folders');
    `;

    const said = execFileSync(process.execPath, ['--import', 'tsx', '--input-type=module', '--eval', script, '-', folder], {
      cwd: repo,
      encoding: 'utf8',
      stdio: 'pipe',
    });

    assert.match(said, /^cri \w/m);
    assert.match(said, /^dbus x$/m);
    assert.match(said, /^folders$/m);
  });
});
