import assert from 'node:assert/strict';
import { dirname } from 'node:path';
import { suiteAvailable } from '../lab/roots.ts';
import { type Live, liveHost } from '../support/liveHost.ts';
import { singleFile } from '../support/singleFile.ts';

/** Called by a relative name, and meanwhile asks systemd what the unit runs. */
const install = `cd /mnt/single
./kata-sysext install "$1" --json --progress none & pid=$!
while runs=$(systemctl show --property=ExecStart 'kata-sysext-install-*'); [ -z "$runs" ] && kill -0 $pid; do sleep 0.05; done
echo "$runs" >&2
wait $pid`;

describe('the single file on a live trixie host', function () {
  this.timeout(600_000);
  let live: Live;

  before(async function () {
    const available = await suiteAvailable('trixie');
    if (!available.ok) {
      console.log(`      ${available.why}`);
      this.skip();
    }
    live = await liveHost({ suite: 'trixie', binds: { [dirname(await singleFile())]: '/mnt/single' } });
  });
  after(() => live?.host.stop());

  // Node puts the name by which a single executable was called where a script's name stands: it must not become a word of the unit's command line.
  it('installs in a unit that runs the file itself, and uninstalls', async () => {
    const installed = await live.host.run(['sh', '-c', install, 'sh', live.bundle(live.first)], { allowFailure: true, timeoutMs: 240_000 });
    const status = await live.host.run(['/mnt/single/kata-sysext', 'status', '--json']);
    const gone = await live.host.run(['/mnt/single/kata-sysext', 'uninstall', '--purge', '--progress', 'none'], { timeoutMs: 240_000 });

    assert.equal(installed.code, 0, installed.stdout);
    assert.match(installed.stderr, /argv\[\]=\/mnt\/single\/kata-sysext install \/mnt\/first\//);
    assert.equal((JSON.parse(status.stdout) as Record<string, unknown>)['installed'], true);
    assert.match(gone.stdout, /✓ uninstall/);
  });
});
