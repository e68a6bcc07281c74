import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import toml from '@iarna/toml';
import { builtContainerd, containerdAvailable } from '../lab/goPrograms.ts';
import { nodeadmAvailable, nodeadmBinds, nodeadmFiles, nodeadmStandIn, SECRET, USER_DATA, userData } from '../lab/nodeadm.ts';
import { podRuns, waitForCri } from '../lab/pods.ts';
import { type Availability, debianRoot, type Suite, suiteAvailable } from '../lab/roots.ts';
import { run as runInLab } from '../lab/run.ts';
import { stopAfter } from '../support/endings.ts';
import { realDataFor } from '../support/engineFiles.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { type Between, between } from '../support/live/between.ts';
import { containerd, etcOf, handlersOf, kataSysext, type Live, liveHost, runsOf, secretsKept } from '../support/live/liveHost.ts';
import { guardEnded } from '../support/live/unitWork.ts';
import { run as runProgram } from '../support/program.ts';
import { singleFile } from '../support/singleFile.ts';
import { put } from '../support/trees/hostTrees.ts';
import { scratch } from '../support/trees/treeHost.ts';

const folder = '/etc/eks/nodeadm.d';
const wiring = `${folder}/90-kata-sysext.yaml`;
const run = 'nodeadm-run.service';
const blessed = 'etc/systemd/system/kata-sysext-recover.service.d/50-blessed.conf';
const kubelet = 'kubelet.service';

/** A node as an AMI makes it: nodeadm is a stand-in, which starts the real containerd. */
async function eksNode(context: Mocha.Context, suite: Suite, schema: 2 | 3, more = ''): Promise<Live> {
  context.timeout(1_800_000);
  needAll(context, [await suiteAvailable(suite), await nodeadmAvailable()]);
  const live = await liveHost({ suite, containerdConfig: '', files: nodeadmFiles(suite, schema, more), binds: await nodeadmBinds() });
  await live.host.sh(`systemctl disable ${containerd}; containerd --version > /etc/eks/containerd-version.txt`);
  return live;
}

/** Skips the specs of the describe where something cannot be had, and says why. */
function needAll(context: Mocha.Context, all: Availability[]): void {
  for (const available of all) {
    if (available.ok) continue;
    console.log(`      ${available.why}`);
    context.skip();
  }
}

/** nodeadm renders again. */
async function renderAgain({ host }: Live): Promise<void> {
  await host.run(['systemctl', 'restart', run]);
  await waitForCri(host);
}

async function boots({ host }: Live): Promise<void> {
  await host.reboot();
  await waitForCri(host);
}

function events(live: Live): Between {
  return {
    again: () => renderAgain(live),
    boot: () => boots(live),
    // It takes the templates of the kubelet's version.
    version: async (holds) => {
      await live.host.sh(
        'touch /etc/lab/nodeadm.env; cp /etc/lab/nodeadm.env /etc/lab/was; echo NODEADM_KUBELET=v1.31.0 >> /etc/lab/nodeadm.env',
      );
      await renderAgain(live);
      await holds('other');
      await live.host.sh('mv /etc/lab/was /etc/lab/nodeadm.env');
      await renderAgain(live);
    },
  };
}

/** Kata's handlers, runc and what a user's own settings need: without those no pod of the lab runs. */
async function serves(live: Live, handlers: string[], name: string): Promise<void> {
  assert.deepEqual(await handlersOf(live), [...handlers, 'runc']);
  await podRuns(live.host, '', name);
}

describe('the stand-in for nodeadm renders as nodeadm did', function () {
  this.timeout(1_800_000);
  const sources = {
    none: undefined,
    kata: 'nodeadm.d.50-kata-v3-ids.yaml',
    limits: 'nodeadm.d.10-rlimits-base-runtime-spec.yaml',
    imports: 'nodeadm.d.50-imports-only-TRAP.yaml',
  };
  const [plain, old] = ['userdata.cluster-only.mime', 'userdata.with-v2-containerd-config.mime'];
  /** The real file, the user data and the file in the folder that nodeadm had, and what the host was. */
  const rows: [file: string, userData: string, dropIn: keyof typeof sources, version: string, environment: Record<string, string>][] = [
    ['v3.default.config.toml', plain, 'none', '2.1.9', {}],
    ['v2.default-k8s-1.30-containerd-1.7.config.toml', plain, 'none', '1.7.29', { NODEADM_KUBELET: 'v1.30.0' }],
    ['v2-before-migrate.userdata-v2-config-on-containerd2.config.toml', old, 'none', '2.1.9', {}],
    ['v3-after-migrate-2.1.9.userdata-v2-config-on-containerd2.config.toml', old, 'none', '2.1.9', {}],
    ['v4-after-migrate-2.3.7.nodeadm.d-imports-only-TRAP.config.toml', plain, 'imports', '2.3.7', {}],
    ['v3.SCHEMA-FLIP.userdata-v2+nodeadm.d-kata-v3.config.toml', old, 'kata', '2.1.9', {}],
    ['v3.userdata+nodeadm.d-kata-v3.config.toml', plain, 'kata', '2.1.9', {}],
    ['v3.nvidia.config.toml', plain, 'none', '2.1.9', { NODEADM_NVIDIA: 'yes' }],
    ['v3.nvidia+nodeadm.d-kata-v3.config.toml', plain, 'kata', '2.1.9', { NODEADM_NVIDIA: 'yes' }],
    ['base-runtime-spec.default.json', plain, 'none', '2.1.9', {}],
    ['base-runtime-spec.with-rlimits.json', plain, 'limits', '2.1.9', {}],
  ];
  let real: string;
  before(async function () {
    real = join(realDataFor(this), 'cri/eks-nodeadm');
    needAll(this, [await nodeadmAvailable(), await suiteAvailable('forky'), await containerdAvailable('2.3.7')]);
  });

  it('these are all files that nodeadm wrote; the others were given to it', () => {
    const given = /^(?:unit|userdata|nodeadm\.d)\./;
    const written = readdirSync(real).filter((name) => !given.test(name));
    assert.deepEqual(written.sort(), rows.map(([file]) => file).sort());
  });

  /** The real one migrates, as it did there; where what comes before the migration is compared, it prints the file as it is. */
  async function containerdFor(file: string, root: string): Promise<string> {
    if (file.includes('after-migrate-2.1.9')) return join(await debianRoot('forky'), 'usr/bin/containerd');
    if (file.includes('after-migrate-2.3.7')) return join(await builtContainerd('2.3.7'), 'containerd');
    put(root, 'bin/containerd', '#!/bin/sh\ncat "$2"\n', 0o755);
    return join(root, 'bin/containerd');
  }

  for (const [file, data, dropIn, version, environment] of rows)
    it(`${file}, by value`, async () => {
      const root = scratch('nodeadm');
      put(root, 'etc/eks/containerd-version.txt', `containerd github.com/containerd/containerd ${version} 0123456\n`);
      put(root, 'nodeadm.d/README', '');
      const added = sources[dropIn];
      if (added !== undefined) put(root, `nodeadm.d/${added}`, readFileSync(join(real, added)));
      const words = ['--skip', 'run', '--config-source', 'imds://user-data', '--config-source', `file://${root}/nodeadm.d/`];

      await runInLab([await nodeadmStandIn(), 'init', ...words, '--config-cache', '/run/cache.json'], {
        env: {
          NODEADM_ROOT: root,
          NODEADM_USER_DATA: join(real, data),
          NODEADM_CONTAINERD: await containerdFor(file, root),
          ...environment,
        },
      });

      const made = readFileSync(join(root, 'etc/containerd', file.endsWith('.json') ? 'base-runtime-spec.json' : 'config.toml'), 'utf8');
      const wanted = readFileSync(join(real, file), 'utf8');
      rmSync(root, { recursive: true });
      if (file.endsWith('.json')) assert.deepEqual(JSON.parse(made), JSON.parse(wanted));
      else assert.deepEqual(toml.parse(made), toml.parse(wanted));
    });
});

const installed = ['kata-qemu-runtime-rs'];
/** containerd logs its whole configuration at a start. */
const login = `[plugins."io.containerd.grpc.v1.cri".registry.configs."registry.example.org".auth]\nauth = "${SECRET}"\n`;

describe('EKS nodeadm (a stand-in) on a live trixie host', function () {
  this.timeout(900_000);
  let live: Live;
  let untouched: string[];

  before(async function () {
    live = await eksNode(this, 'trixie', 2, login);
    await live.host.reboot();
    await waitForCri(live.host);
    untouched = etcOf(live);
  });
  stopAfter(() => live);

  it('a change that fails after its restart is taken back by nodeadm: nothing differs', async () => {
    const failed = await live.kata(['install', live.bundle(live.first)], { KATA_SYSEXT_FAILPOINT: 'commit/before=error' });

    assert.equal(failed.code, 1, failed.stderr);
    await serves(live, [], 'undone');
    assert.doesNotMatch(readFileSync(join(live.host.root, 'etc/containerd/config.toml'), 'utf8'), /kata/);
    assert.ok(!existsSync(join(live.host.root, wiring)));
  });

  it('the plan says who renders and what restarts; installed, handlers are there and runc pods run', async () => {
    await between(events(live), 'undone', (name) => serves(live, [], name));
    const runs = await runsOf(live, [containerd, kubelet]);
    const plan = await live.json(['install', live.bundle(live.first), '--dry-run']);

    await live.json(['install', live.bundle(live.first)]);

    const now = await runsOf(live, [containerd, kubelet]);
    assert.deepEqual(plan['restarts'], [run, containerd]);
    assert.match(JSON.stringify(plan['rendered']), /at each boot .*which restarts containerd and kubelet/);
    assert.ok([containerd, kubelet].every((unit) => now[unit] !== runs[unit]));
    await serves(live, installed, 'installed');
  });

  it('nodeadm renders again, and the host boots: handlers stay, and the boot is confirmed', async () => {
    await renderAgain(live);
    await serves(live, installed, 'rendered');
    await boots(live);

    await guardEnded(live);

    await serves(live, installed, 'booted');
    assert.ok(existsSync(join(live.host.root, blessed)));
  });

  it('what the user data keeps secret is in no record and no report', async () => {
    await live.host.sh(`${kataSysext} report -o /root/report.md >/dev/null; ${kataSysext} check > /root/check.txt || true`);

    const kept = await secretsKept(live, SECRET);

    assert.deepEqual(kept, []);
    assert.match((await live.host.run(['cat', '/root/report.md'])).stdout, /nodeadm/);
  });

  it('another version of nodeadm boots with other templates, and renders again: an upgrade restarts nothing', async () => {
    await bootsWith('v1.30.0');
    await serves(live, installed, 'other');
    await renderAgain(live);
    const runs = await runsOf(live, [containerd, kubelet]);

    await live.json(['install', live.bundle(live.second)]);

    assert.deepEqual(await runsOf(live, [containerd, kubelet]), runs);
    await serves(live, installed, 'upgraded');
  });

  it('the version before boots again, and renders: a rollback restarts nothing', async () => {
    await bootsWith('v1.33.0');
    await serves(live, installed, 'upgraded-boot');
    await renderAgain(live);
    const runs = await runsOf(live, [containerd, kubelet]);

    await live.json(['rollback']);

    assert.deepEqual(await runsOf(live, [containerd, kubelet]), runs);
    await serves(live, installed, 'back');
    // A containerd that this nodeadm only starts has not read the file that it wrote again, until the boot.
    await renderAgain(live);
    await serves(live, installed, 'back-again');
    await bootsWith('v1.30.0');
    await serves(live, installed, 'back-boot');
  });

  it('uninstalled with a nodeadm that only starts its engine: the file is gone, the folder stays, nothing else differs', async () => {
    await live.json(['uninstall', '--purge']);

    await serves(live, [], 'uninstalled');
    assert.deepEqual(readdirSync(join(live.host.root, folder)), ['10-limits.yaml', 'README']);
    assert.deepEqual(
      differences(untouched, etcOf(live)).filter((line) => !/etc\/(?:containerd|lab)/.test(line)),
      [],
    );
  });

  it('afterwards nodeadm renders again, and another version boots: runc pods run, and nothing of the handlers comes back', async () => {
    await renderAgain(live);
    await serves(live, [], 'plain');
    await bootsWith('v1.33.0');
    await serves(live, [], 'plain-boot');

    assert.doesNotMatch(readFileSync(join(live.host.root, 'etc/containerd/config.toml'), 'utf8'), /kata/);
  });

  it('what nodeadm could not read in its folder is refused before anything is written', async () => {
    await live.host.sh(`echo 'spec: [' > ${folder}/50-broken.yaml`);

    const refused = await live.json(['install', live.bundle(live.first)], 3);

    assert.deepEqual([refused['code'], refused['subject']], ['engine-config-invalid', `${folder}/50-broken.yaml`]);
    assert.ok(!existsSync(join(live.host.root, wiring)));
  });

  /** nodeadm takes the templates of the kubelet's version. This one only starts its engine, as nodeadm does before v20260520. */
  async function bootsWith(version: string): Promise<void> {
    await live.host.sh(`echo 'NODEADM_EFFECT=start' > /etc/lab/nodeadm.env; echo 'NODEADM_KUBELET=${version}' >> /etc/lab/nodeadm.env`);
    await boots(live);
  }
});

describe('EKS nodeadm (a stand-in) on a live forky host', function () {
  this.timeout(900_000);
  let live: Live;
  let restarted: unknown;

  /** An AMI for any user data, and a node whose user has settings of schema 2. */
  before(async function () {
    live = await eksNode(this, 'forky', 2);
    const file = await singleFile();
    await live.host.reboot({
      between: async () => {
        const ran = await runProgram(['install', live.first.static, '--root', live.host.root, '--json'], { file });
        assert.equal(ran.status, 0, ran.stderr);
        restarted = JSON.parse(ran.stdout)['restarted'];
        assert.match(readFileSync(join(live.host.root, wiring), 'utf8'), /io\.containerd\.cri\.v1\.runtime/);
      },
    });
    await waitForCri(live.host);
  });
  stopAfter(() => live);

  it('an image is built without a restart; at its first boot the boot guard writes the handlers in the schema of the user data', async () => {
    await guardEnded(live);

    assert.deepEqual(restarted, []);
    await serves(live, installed, 'first');
    assert.match(readFileSync(join(live.host.root, wiring), 'utf8'), /io\.containerd\.grpc\.v1\.cri/);
    assert.ok(existsSync(join(live.host.root, blessed)));
  });

  it('user data of the other schema comes: the handlers and the settings of the user follow', async () => {
    await between(events(live), 'built', (name) => serves(live, installed, name));
    await live.host.sh(`cat > ${USER_DATA}`, { input: userData('forky', 3) });

    await boots(live);

    await serves(live, installed, 'flipped');
    assert.match(readFileSync(join(live.host.root, wiring), 'utf8'), /io\.containerd\.cri\.v1\.runtime/);
  });

  it('it is uninstalled, and installed live', async () => {
    await between(events(live), 'changed', (name) => serves(live, installed, name));
    await live.json(['uninstall', '--purge']);
    await serves(live, [], 'uninstalled');
    await between(events(live), 'away', (name) => serves(live, [], name));

    await live.json(['install', live.bundle(live.second)]);

    await serves(live, installed, 'installed');
    await between(events(live), 'live', (name) => serves(live, installed, name));
  });

  it('a builder of AMIs that has booted: nodeadm starts nothing, an installation writes the file alone, and the first boot of a node has the handlers', async () => {
    await live.json(['uninstall', '--purge']);
    await live.host.sh(`mv ${USER_DATA} /root/user-data; rm -f /etc/containerd/config.toml`);
    await live.host.reboot();
    const checked = await live.json(['check']);

    const built = await live.json(['install', live.bundle(live.first)]);
    const again = await live.json(['install', live.bundle(live.first)]);

    assert.deepEqual([checked['ready'], built['restarted'], again['changed']], [true, [], false]);
    assert.match(JSON.stringify(built['findings']), /engine-first-start/);
    assert.equal((await live.host.run(['systemctl', 'is-active', containerd], { allowFailure: true })).stdout.trim(), 'inactive');
    assert.match(readFileSync(join(live.host.root, wiring), 'utf8'), /io\.containerd\.cri\.v1\.runtime/);
    await live.host.sh(`mv /root/user-data ${USER_DATA}`);
    await boots(live);
    await guardEnded(live);
    await serves(live, installed, 'baked');
    assert.ok(existsSync(join(live.host.root, blessed)));
  });
});
