import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { differences } from '../support/judges/fingerprint.ts';
import { treeNames } from '../support/trees/hostTrees.ts';
import { releases, treeHost } from '../support/trees/treeHost.ts';

/** Somebody removed what only we should touch: the way back must still be there. */
describe('a host on which parts of ours are missing', () => {
  for (const name of treeNames) {
    for (const lost of ['etc/kata-sysext/current', 'etc/kata-sysext']) {
      it(`${name}: without /${lost}, uninstall still takes the wiring out`, async () => {
        const { first } = await releases();
        const host = treeHost(name);
        const before = host.fingerprint();
        await host.json(['install', first]);
        rmSync(join(host.root, lost), { recursive: true });

        const done = await host.json(['uninstall', '--purge']);

        assert.equal(done['changed'], true);
        assert.deepEqual(differences(before, host.fingerprint()), []);
        host.remove();
      });
    }
  }

  it('rollback refuses a payload that has lost a file, before anything is written', async () => {
    const { first, second } = await releases();
    const host = treeHost('fcos');
    await host.json(['install', first]);
    const [kernel] = execFileSync('find', [host.root, '-path', '*share/kata-containers/vmlinu*', '-type', 'f'], { encoding: 'utf8' }).split(
      '\n',
    );
    await host.json(['install', second]);
    rmSync(kernel!);

    const refused = await host.json(['rollback'], 3);

    assert.equal(refused['code'], 'payload-damaged');
    assert.equal((await host.json(['status']))['active'], 2);
    host.remove();
  });
});
