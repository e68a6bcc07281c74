import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suiteAvailable } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { containerSays, daemonJson, dockerHost, dockerUnit, image, reloadsOf, runtimesOf } from '../support/live/dockerHost.ts';
import { containerd, dependent, etcOf, type Live, runsOf, secretsKept } from '../support/live/liveHost.ts';
import { until } from '../support/live/unitWork.ts';

const handler = 'kata-qemu-runtime-rs';
const units = [dockerUnit, containerd, dependent];
const stock = ['io.containerd.runc.v2', 'runc'];
/** Tabs, two keys in one line, no newline at the end. */
const secret = 's3cret-of-a-label';
const theirs = `{\n\t"log-level": "info", "debug": false,\n\t"labels": ["login=${secret}"],\n\t"max-concurrent-downloads": 3\n}`;

/** `dockerd --validate` takes each of these, and none lets it start. */
const fatal = {
  'path and runtimeType': { runtimes: { k: { path: '/bin/true', runtimeType: 'io.containerd.runc.v2' } } },
  neither: { runtimes: { k: {} } },
  'a reserved name': { runtimes: { runc: { path: '/usr/sbin/runc' } } },
  'an unknown default': { 'default-runtime': 'nosuch' },
  'runtimeArgs with runtimeType': { runtimes: { k: { runtimeType: 'io.containerd.runc.v2', runtimeArgs: ['x'] } } },
  'options with path': { runtimes: { k: { path: '/bin/true', options: { a: 1 } } } },
  'a number as ConfigPath': { runtimes: { k: { runtimeType: 'io.containerd.kata.v2', options: { ConfigPath: 7 } } } },
};

describe('Docker on a live host', function () {
  this.timeout(900_000);
  let live: Live;
  let atStart: string[];
  let runs: Record<string, string>;

  const bytes = () => readFileSync(join(live.host.root, daemonJson), 'utf8');
  const write = (text: string) => writeFileSync(join(live.host.root, daemonJson), text);

  before(async function () {
    const available = await suiteAvailable('trixie');
    if (!available.ok) {
      console.log(`      ${available.why}`);
      return this.skip();
    }
    live = await dockerHost({ [daemonJson]: theirs });
    await live.host.sh(`docker run -d --name steady --network none ${image} /bin/sleep 100000`);
    atStart = etcOf(live);
    runs = await runsOf(live, units);
  });
  stopAfter(() => live);

  it('is not guessed beside a containerd; with a kubelet the one with a CRI is taken', async () => {
    const unnamed = await live.json(['check'], 3);
    await live.host.sh('echo "[Service]" >/etc/systemd/system/kubelet.service');
    const beside = (await live.json(['check'])) as { engine: { name: string } };
    await live.host.sh('rm /etc/systemd/system/kubelet.service');

    assert.match(JSON.stringify(unnamed['findings']), /containerd and docker are both running.*--engine containerd or --engine docker/);
    assert.equal(beside.engine.name, 'containerd');
  });

  it('shows the plan: two edits, a reload and no restart, and changes no byte', async () => {
    const { stdout, code } = await live.kata(['install', live.bundle(live.first), '--engine', 'docker', '--dry-run']);

    assert.equal(code, 0);
    assert.match(stdout, /restarts: none\n {2}reloads: docker\.service, whose process stays/);
    assert.match(stdout, /then proven: the daemon is ready and lists every earlier handler/);
    assert.match(stdout, /\+\t"runtimes": \{/);
    assert.match(stdout, /docker-limits/);
    assert.deepEqual(differences(atStart, etcOf(live)), []);
  });

  it('a killed change is undone by recover: neither the file that it made nor the handler stays', async () => {
    await live.host.sh(`rm ${daemonJson}; systemctl reload ${dockerUnit}`);
    await live.kata(['install', live.bundle(live.first), '--engine', 'docker'], { KATA_SYSEXT_FAILPOINT: 'commit/before=kill' });
    const inBetween = await runtimesOf(live);

    await live.json(['recover']);

    assert.deepEqual(inBetween, [...stock.slice(0, 1), handler, 'runc']);
    assert.equal(existsSync(join(live.host.root, daemonJson)), false);
    assert.deepEqual(await runtimesOf(live), stock);
    write(theirs);
    await live.host.run(['systemctl', 'reload', dockerUnit]);
    assert.deepEqual(differences(atStart, etcOf(live)), []);
  });

  it('a change that fails is undone; what the daemon logged of its whole file is in no record, log or report', async () => {
    const failed = await live.kata(['install', live.bundle(live.first), '--engine', 'docker'], {
      KATA_SYSEXT_FAILPOINT: 'commit/before=error',
    });

    const logged = await live.host.sh(`journalctl -b -u ${dockerUnit} -o cat | grep -cF ${secret}`);
    const kept = await secretsKept(live, secret);
    assert.equal(failed.code, 1);
    assert.ok(Number(logged.stdout) > 0, 'dockerd says its configuration when it has read it');
    assert.deepEqual(kept, []);
    assert.deepEqual(await runtimesOf(live), stock);
    assert.deepEqual(differences(atStart, etcOf(live)), []);
  });

  it('installs: the daemon and its containers go on, and a container runs through the handler', async () => {
    const change = await live.json(['install', live.bundle(live.first), '--engine', 'docker']);

    const said = JSON.parse(bytes()) as Record<string, unknown>;
    const { runtimes, ...rest } = said;
    assert.deepEqual(change['restarted'], []);
    assert.deepEqual(await runsOf(live, units), runs);
    assert.deepEqual(rest, JSON.parse(theirs));
    assert.deepEqual(Object.keys(runtimes as object), [handler]);
    assert.ok(bytes().startsWith(theirs.slice(0, -2)), bytes());
    assert.deepEqual(await runtimesOf(live), [...stock.slice(0, 1), handler, 'runc']);
    assert.deepEqual([await containerSays(live, handler), await containerSays(live)], ['it runs', 'it runs']);
  });

  it('a tool that writes the file again is reported, and the next change repairs the wiring: here an upgrade', async () => {
    const again = await live.json(['install', live.bundle(live.first), '--engine', 'docker']);
    const { runtimes, ...rest } = JSON.parse(bytes()) as Record<string, unknown>;
    write(`${JSON.stringify({ runtimes, ...rest, debug: true }, null, 4)}\n`);

    const status = await live.kata(['status']);
    const verified = await live.kata(['verify']);
    await live.host.run(['systemctl', 'reload', dockerUnit]);
    await live.json(['install', live.bundle(live.second)]);
    const repaired = await live.kata(['verify']);

    assert.equal(again['changed'], false);
    assert.match(status.stdout, /\/etc\/docker\/daemon\.json: kata-sysext’s wiring in it is gone or was changed/);
    assert.equal(verified.code, 1);
    assert.equal(repaired.code, 0, repaired.stdout);
    assert.deepEqual(JSON.parse(bytes()), { ...rest, debug: true, runtimes });
    assert.equal(await containerSays(live, handler), 'it runs');
  });

  it('a rollback needs no reload, and containers run on', async () => {
    const [text, reloads] = [bytes(), await reloadsOf(live)];

    await live.json(['rollback']);

    assert.equal(await containerSays(live, handler), 'it runs');
    assert.deepEqual([bytes(), await reloadsOf(live)], [text, reloads]);
    assert.deepEqual(await runsOf(live, units), runs);
  });

  it('an edit that the daemon has not read is refused, because the reload would apply it', async () => {
    const text = bytes();
    write(text.replace('"debug": true', '"debug": false'));

    const refused = await live.json(['uninstall'], 3);
    write(text);
    await live.host.run(['systemctl', 'reload', dockerUnit]);

    assert.equal(refused['code'], 'engine-pending-edits');
  });

  it('boots with the handler, and the boot guard blesses it', async () => {
    await live.host.reboot();
    await live.host.sh(`for n in $(seq 3000); do docker version >/dev/null 2>&1 && exit; sleep 0.1; done; exit 1`);

    await until(async () => (await live.kata(['status'])).stdout.includes('blessed'), 'the generation is blessed');
    assert.equal(await containerSays(live, handler), 'it runs');
  });

  it('a handler that others made the default one is not removed before they name another', async () => {
    const text = bytes();
    const named = async (name: string) => {
      write(text.replace('{', `{ "default-runtime": "${name}",`));
      await live.host.run(['systemctl', 'reload', dockerUnit]);
      const { stdout } = await live.host.sh(
        `for n in $(seq 600); do docker info -f '{{.DefaultRuntime}}' | grep -x ${name} && exit; sleep 0.1; done; exit 1`,
      );
      return stdout.trim();
    };

    const first = await named(handler);
    const refused = await live.json(['uninstall'], 3);
    const second = await named('runc');
    const { stdout } = await live.kata(['uninstall', '--dry-run']);
    write(text);
    await live.host.run(['systemctl', 'reload', dockerUnit]);

    assert.deepEqual([first, second], [handler, 'runc']);
    assert.equal(refused['code'], 'handler-is-default');
    assert.match(String(refused['next']), /"default-runtime": "runc" in daemon.json; systemctl reload docker.service;/);
    assert.match(stdout, /reloads: docker.service/);
  });

  it('uninstall waits for containers of the handler to end, and names those that could not start again', async () => {
    await live.host.sh(`docker run -d --name held --runtime ${handler} --network none ${image} /bin/sleep 100000`);
    const refused = await live.json(['uninstall'], 3);
    await live.host.sh('docker stop -t 0 held');
    const { stdout } = await live.kata(['uninstall', '--dry-run']);

    assert.equal(refused['code'], 'handler-in-use');
    assert.match(String(refused['found']), /1 container of handlers.*held/);
    assert.match(String(refused['next']), /docker rm -f/);
    assert.match(stdout, /held.*handler-stranded/s);
  });

  it('uninstalls: the bytes of others, no handler in the daemon, now and after its restart', async () => {
    await live.host.sh('docker rm -f held');
    runs = await runsOf(live, units);

    const change = await live.json(['uninstall', '--purge']);

    const [left, now] = [bytes(), await runtimesOf(live)];
    assert.deepEqual(change['restarted'], []);
    assert.deepEqual(await runsOf(live, units), runs);
    assert.equal(left, `${JSON.stringify({ ...JSON.parse(theirs), debug: true }, null, 4)}\n`);
    assert.deepEqual(now, stock);
    write(theirs);
    await live.host.run(['systemctl', 'restart', dockerUnit]);
    assert.deepEqual(await runtimesOf(live), stock);
    assert.equal(await containerSays(live), 'it runs');
    assert.deepEqual(differences(atStart, etcOf(live)), []);
  });

  it('sees the seven configurations that dockerd --validate takes and that keep dockerd from starting', async () => {
    const seen: Record<string, unknown> = {};
    for (const [name, value] of Object.entries(fatal)) {
      write(JSON.stringify(value));
      const { stdout } = await live.host.sh(`set +e; dockerd --validate >/dev/null 2>&1; echo $?
timeout 60 dockerd --data-root /tmp/none --exec-root /tmp/none-run --pidfile /tmp/none.pid -H unix:///tmp/none.sock --bridge none --iptables=false >/dev/null 2>&1; echo $?`);
      const checked = (await live.json(['check', '--engine', 'docker'], 3)) as { findings: { code: string }[] };
      seen[name] = [...stdout.trim().split('\n'), checked.findings.some(({ code }) => code === 'engine-config-invalid')];
    }
    await live.host.sh(`rm ${daemonJson}`);

    assert.deepEqual(seen, Object.fromEntries(Object.keys(fatal).map((name) => [name, ['0', '1', true]])));
  });
});
