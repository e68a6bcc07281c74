import assert from 'node:assert/strict';
import { stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { handlersOf, type Live, liveHost } from '../support/live/liveHost.ts';
import { heldAt } from '../support/live/unitWork.ts';
import { sample } from '../support/sample.ts';

const stopBus = 'systemctl stop dbus.socket dbus.service';
const startBus = 'systemctl start dbus.socket';
const hidePrivate = 'mv /run/systemd/private /run/systemd/private.away';
const showPrivate = 'mv /run/systemd/private.away /run/systemd/private';

interface Loss {
  title: string;
  before?: string;
  lose: string;
  heal: string;
  /** The change can do without. */
  harmless: boolean;
}

/** The ways to PID 1 go while a change runs. A re-execution (as an update of systemd does) cuts every connection at PID 1's own socket. */
const losses: Loss[] = [
  { title: 'the message bus, for good', lose: stopBus, heal: startBus, harmless: true },
  { title: 'PID 1’s own socket', lose: hidePrivate, heal: showPrivate, harmless: true },
  { title: 'both', lose: `${stopBus}; ${hidePrivate}`, heal: `${showPrivate}; ${startBus}`, harmless: false },
  { title: 'PID 1’s state, by a re-execution', lose: 'systemctl daemon-reexec', heal: '', harmless: false },
  {
    title: 'the connection at PID 1’s own socket, where there is no bus',
    before: stopBus,
    lose: 'systemctl daemon-reexec',
    heal: startBus,
    harmless: true,
  },
];

/** Wiring written and nothing restarted yet; restart journalled and not begun; engine restarted and nothing proven yet. */
const points = ['step/file/after@1', 'step/restart/journalled@1', 'step/restart/after@1'];

describe('systemd is lost while a change runs', function () {
  this.timeout(900_000);
  let live: Live;
  let untouched: string[];

  before(async () => {
    live = await liveHost({ suite: 'trixie' });
    untouched = fingerprint(live.host.root, ['etc']);
  });
  stopAfter(() => live);

  const cases = losses.flatMap((loss) => points.map((point) => ({ loss, point })));
  for (const { loss, point } of sample(cases, 3, 'losses')) {
    it(`${loss.title}, at ${point}: ${loss.harmless ? 'it is done all the same' : 'all or nothing, and it is told'}`, async () => {
      if (loss.before !== undefined) await live.host.sh(loss.before);
      const held = await heldAt(live, ['install', live.bundle(live.first)], point);
      await live.host.sh(loss.lose);
      await held.go();

      const { status, stdout } = await held.ended;

      if (loss.heal !== '') await live.host.sh(loss.heal);
      const answer = JSON.parse(stdout) as { kind: string; code?: string };
      await live.json(['recover']);
      const { installed } = (await live.json(['status'])) as { installed: boolean };
      assert.equal(answer.kind, status === 0 ? 'Change' : 'Error', stdout);
      assert.equal(installed, status === 0, stdout);
      if (loss.harmless) assert.equal(status, 0, stdout);
      assert.deepEqual(await handlersOf(live), installed ? ['kata-qemu-runtime-rs', 'runc'] : ['runc']);
      if (installed) assert.deepEqual((await live.json(['verify']))['drift'], []);
      await live.json(['uninstall', '--purge']);
      assert.deepEqual(differences(untouched, fingerprint(live.host.root, ['etc'])), []);
      assert.deepEqual(await handlersOf(live), ['runc']);
    });
  }

  it('both before it begins: refused, and nothing is changed', async () => {
    await live.host.sh(`${stopBus}; ${hidePrivate}`);
    const refused = await live.kata(['install', live.bundle(live.first), '--json']);
    await live.host.sh(`${showPrivate}; ${startBus}`);

    assert.equal(refused.code, 3, refused.stdout);
    assert.equal((JSON.parse(refused.stdout) as { code: string }).code, 'host-no-systemd');
    assert.deepEqual(differences(untouched, fingerprint(live.host.root, ['etc'])), []);
    assert.deepEqual(await handlersOf(live), ['runc']);
  });
});
