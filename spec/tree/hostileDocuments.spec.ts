import assert from 'node:assert/strict';
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tinyRelease } from '../lab/release/index.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { checkJson } from '../support/judges/schemas.ts';
import { loopMs } from '../support/sample.ts';
import { put } from '../support/trees/hostTrees.ts';
import { crioTree, currentConfig, owning } from '../support/trees/renderedTree.ts';
import { releases, scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

/** What ld.so would open in each program that is started, if this reached its environment. */
const library = '/planted/library.so';
const env = `LD_PRELOAD = "${library}"\n`;
const owners = 'mode = 0o777\nuid = 12345\ngid = 12345\n';
const tables: [what: string, text: string][] = [
  ['[__proto__.env]', `[__proto__.env]\n${env}`],
  ['[__proto__] with mode, uid and gid', `[__proto__]\n${owners}`],
  ['[constructor.prototype.env]', `[constructor.prototype.env]\n${env}`],
  ['a dotted, escaped key', `[a]\n"\\u005f_proto__".env.LD_PRELOAD = "${library}"\n`],
  ['an inline table in a list', `a = [{ __proto__ = { env = { LD_PRELOAD = "${library}" } } }]\n`],
];

const config = 'etc/containerd/config.toml';
const lock = ['var/lib/kata-sysext/lock'];

describe('documents that would change the program', function () {
  this.timeout(loopMs);
  let first: string;
  let bare: TreeHost;
  let installed: TreeHost;
  let crio: TreeHost;
  let host: TreeHost;
  let folder: string;

  before(async () => {
    ({ first } = await releases());
    bare = treeHost('microos');
    installed = bare.copy();
    await installed.json(['install', first]);
    crio = crioTree('rhcos', 'crio@1.32');
    folder = scratch('hostile');
  });
  afterEach(() => host.remove());
  after(() => {
    for (const each of [bare, installed, crio]) each.remove();
    rmSync(folder, { recursive: true });
  });

  /** Runs a verb; gives its status and answer, and whether any program was started with the library or a file got another owner. */
  async function judged(args: string[]) {
    const trace = join(folder, 'trace');
    const ran = await host.run([...args, '--json', '--progress', 'none'], {
      wrapper: ['strace', '-f', '-qq', '-e', 'trace=open,openat,fchown,chown,fchownat,lchown', '-o', trace],
    });
    const calls = readFileSync(trace, 'utf8');
    const answer = JSON.parse(ran.stdout) as Record<string, unknown>;
    checkJson(answer);
    return { status: ran.status, answer, stderr: ran.stderr, loaded: calls.includes(library), given: calls.includes('12345') };
  }

  async function refused(args: string[], status: number, code: string): Promise<Record<string, unknown>> {
    const before = host.fingerprint(lock);

    const ran = await judged(args);

    assert.deepEqual([ran.status, ran.answer['code'], ran.stderr], [status, code, ''], JSON.stringify(ran.answer));
    assert.deepEqual({ loaded: ran.loaded, given: ran.given }, { loaded: false, given: false });
    assert.deepEqual(differences(before, host.fingerprint(lock)), []);
    return ran.answer;
  }

  for (const [what, text] of tables) {
    it(`${what} in an import of containerd: refused, nothing written, no library loaded`, async () => {
      host = bare.copy();
      put(host.root, 'etc/containerd/conf.d/50-theirs.toml', `# theirs\n${text}`);

      const error = await refused(['install', first], 3, 'engine-config-invalid');

      assert.match(
        String(error['found']),
        /^\/etc\/containerd\/conf\.d\/50-theirs\.toml, line [23], column \d+, has the key (__proto__|constructor)\.$/,
      );
    });
  }

  it('in the main file of containerd, with every verb that reads it', async () => {
    host = installed.copy();
    appendFileSync(host.path(config), `\n[__proto__.env]\n${env}[__proto__.more]\n${owners}`);
    const { second } = await releases();

    const changing: [args: string[], status: number][] = [
      [['install', second], 3],
      [['install', second, '--dry-run'], 3],
      [['install', first, '--alias', 'kata=qemu-runtime-rs'], 3],
      // Its own drop-in goes whatever the main file says.
      [['uninstall', '--dry-run'], 0],
    ];

    for (const [args, status] of changing) {
      const ran = await judged(args);

      const code = status === 0 ? undefined : 'engine-config-invalid';
      assert.deepEqual([ran.status, ran.answer['code'], ran.loaded, ran.given], [status, code, false, false], args.join(' '));
    }
    const reading = [
      await judged(['check']),
      await judged(['status']),
      await judged(['verify']),
      await judged(['report', '-o', join(folder, 'report.txt')]),
    ];

    assert.deepEqual(
      reading.map(({ loaded, given }) => loaded || given),
      [false, false, false, false],
    );
    assert.equal(
      reading.some(({ answer }) => answer['code'] === 'internal'),
      false,
    );
  });

  it('in a drop-in of CRI-O, whatever its name', async () => {
    host = crio.copy();
    put(host.root, 'etc/crio/crio.conf.d/theirs', `[crio.runtime]\n[crio.runtime.__proto__.env]\n${env}`);

    const error = await refused(['install', first], 3, 'engine-config-invalid');

    assert.match(String(error['found']), /crio\.conf\.d\/theirs, line 2, column 15, has the key __proto__/);
  });

  it('in the note of a MachineConfig', async () => {
    host = crio.copy();
    const note = owning(['/etc/x']).replace(/^\s*\{/, `{"__proto__": {"env": {"LD_PRELOAD": "${library}"}, "uid": 12345},`);
    put(host.root, currentConfig, note, 0o600);

    await refused(['install', first], 3, 'host-unknown');
  });

  it('in the configuration of a handler in a bundle', async () => {
    host = bare.copy();
    const path = 'share/defaults/kata-containers/runtime-rs/configuration-qemu-runtime-rs.toml';
    const bundle = await tinyRelease(folder, {
      files: { [path]: `[hypervisor.qemu]\nmachine_type = "q35"\n[__proto__.env]\n${env}` },
    });

    const error = await refused(['install', bundle, '--handler', 'qemu-runtime-rs'], 4, 'bundle-configuration');

    assert.match(String(error['found']), /configuration-qemu-runtime-rs\.toml, line 3, column 2, has the key __proto__/);
  });

  it('in a fragment, os-release and /etc/containerd of another engine: no part of what is installed, and nothing comes of it', async () => {
    host = bare.copy();
    put(host.root, 'etc/kata-containers/kata-qemu-runtime-rs.d/10-theirs.toml', `[__proto__.env]\n${env}[__proto__]\n${owners}`);
    writeFileSync(
      host.path('usr/lib/os-release'),
      `ID=opensuse-microos\nVERSION_ID=20260304\n__proto__=env\nLD_PRELOAD=${library}\nconstructor=1\n`,
    );

    const ran = await judged(['install', first, '--set', 'default_memory=4096']);

    assert.deepEqual({ status: ran.status, loaded: ran.loaded, given: ran.given }, { status: 0, loaded: false, given: false });
  });

  for (const name of ['generations/1/record.json', 'generations/1/manifest.json', 'folders.json', 'history/000001.json', 'image/x.json']) {
    it(`in the state file ${name}`, async () => {
      host = installed.copy();
      const path = host.path(`var/lib/kata-sysext/${name}`);
      if (!existsSync(path)) mkdirSync(dirname(path), { recursive: true });
      const text = existsSync(path) ? readFileSync(path, 'utf8') : '{}';
      writeFileSync(
        path,
        text.replace(/^\s*\{/, `{"__pr\\u006fto__": {"env": {"LD_PRELOAD": "${library}"}, "mode": 511, "uid": 12345, "gid": 12345},`),
      );
      const { second } = await releases();

      const answers = [await judged(['history']), await judged(['install', second]), await judged(['uninstall'])];

      assert.equal(
        answers.some(({ loaded, given }) => loaded || given),
        false,
      );
      assert.equal(
        answers.some(({ answer }) => answer['code'] === 'internal'),
        false,
      );
      if (!name.startsWith('image/')) assert.ok(answers.some(({ status, answer }) => status === 3 && answer['code'] === 'state-damaged'));
    });
  }
});
