import assert from 'node:assert/strict';
import type { Suite } from '../lab/roots.ts';
import { stopAfter } from '../support/endings.ts';
import { differences } from '../support/judges/fingerprint.ts';
import { type Live, liveHost } from '../support/live/liveHost.ts';
import { merged, print, service, shimDigest, shimSeen, whereAvailable } from '../support/live/sysextHost.ts';
import { sample } from '../support/sample.ts';

const release = (name: string) => ({ [`/var/lib/extensions/${name}/usr/lib/extension-release.d/extension-release.${name}`]: 'ID=_any\n' });
const tool = (name: string) => ({
  ...release(name),
  [`/var/lib/extensions/${name}/usr/bin/${name}-tool`]: { text: '#!/bin/sh\nexit 0\n', mode: 0o755 },
});
const enabled = { [`/etc/systemd/system/sysinit.target.wants/${service}`]: { link: `/usr/lib/systemd/system/${service}` } };

for (const suite of sample<Suite>(['trixie', 'forky'], 1, 'foreign suites')) {
  describe(`backend sysext beside extensions of others on ${suite}`, function () {
    this.timeout(900_000);
    let live: Live;
    let before: string[];

    whereAvailable(suite, async () => {
      live = await liveHost({
        suite,
        files: {
          ...enabled,
          ...tool('theirs'),
          ...tool('masked'),
          '/etc/extensions/masked/note': 'a folder without a release file masks the name\n',
        },
      });
      before = await print(live);
    });
    stopAfter(() => live);

    it('is refused while they are merged, and says what would happen', async () => {
      const checked = await live.json(['check', '--backend', 'sysext'], 3);
      const refused = await live.json(['install', live.bundle(live.first), '--backend', 'sysext'], 3);

      assert.equal(checked['ready'], false);
      assert.deepEqual(
        (checked['findings'] as { code: string }[]).map(({ code }) => code).filter((code) => code.startsWith('sysext')),
        ['sysext-foreign-merged', 'sysext-foreign-masked'],
      );
      assert.equal(refused['code'], 'sysext-foreign-merged');
      assert.match(String(refused['next']), /--allow sysext-foreign-merged/);
      assert.deepEqual(differences(before, await print(live)), []);
    });

    it('--allow: theirs stays merged; the programs that failed to start in the gap are counted', async () => {
      const loop = live.host.spawn(
        [
          '/bin/bash',
          '-c',
          'n=0; f=0; while [ ! -e /run/enough ]; do n=$((n+1)); /usr/bin/theirs-tool 2>/dev/null || f=$((f+1)); done; echo $n $f',
        ],
        {},
      );
      let out = '';
      loop.stdout?.on('data', (chunk: Buffer) => {
        out += chunk.toString();
      });
      const closed = new Promise((resolve) => loop.on('close', resolve));

      await live.json(['install', live.bundle(live.first), '--backend', 'sysext', '--allow', 'sysext-foreign-merged']);
      await live.json(['install', live.bundle(live.second), '--allow', 'sysext-foreign-merged']);
      await live.host.run(['touch', '/run/enough']);
      await closed;

      const [runs, failures] = out.trim().split(' ').map(Number) as [number, number];
      console.log(`      ${failures} of ${runs} starts of their program failed during an install and an upgrade`);
      assert.ok(runs > 50 && failures < runs / 4, out);
      assert.match(await merged(live), /"\/usr","extensions":\["kata","theirs"\]/);
      await live.host.run(['/usr/bin/theirs-tool']);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.second), shimDigest(live.second)]);
    });

    it('never activates one that lies ready, removed or broken, in no change: upgrade, rollback, uninstall', async () => {
      const allow = ['--allow', 'sysext-foreign-merged'];
      await live.host.sh(
        'cp -a /var/lib/extensions/theirs /var/lib/extensions/later; cd /var/lib/extensions/later/usr; mv bin/theirs-tool bin/later-tool; mv lib/extension-release.d/extension-release.theirs lib/extension-release.d/extension-release.later; mkdir -p ../opt/later; touch ../opt/later/file',
      );
      const dormant = await live.json(['rollback', ...allow], 3);
      const opt = await live.json(['rollback', ...allow, '--allow', 'sysext-foreign-dormant'], 3);
      const away = await live.json(['uninstall', ...allow], 3);
      await live.host.sh('rm -r /var/lib/extensions/later; echo nonsense > /var/lib/extensions/bad.raw');
      const broken = await live.json(['rollback', ...allow], 3);
      const overridden = await live.json(['rollback', ...allow, '--allow', 'sysext-foreign-broken'], 2);
      await live.host.sh('rm /var/lib/extensions/bad.raw; mv /var/lib/extensions/theirs /var/lib/theirs');
      const removed = await live.json(['rollback', ...allow], 3);
      await live.host.sh('mv /var/lib/theirs /var/lib/extensions/theirs');

      const codes = [dormant, opt, away, broken, removed].map((refused) => refused['code']);
      assert.ok(['sysext-foreign-dormant', 'sysext-foreign-opt'].includes(String(codes[0])), String(codes));
      assert.equal(codes[1], 'sysext-foreign-opt');
      assert.ok(['sysext-foreign-dormant', 'sysext-foreign-opt'].includes(String(codes[2])), String(codes));
      assert.equal(codes[3], 'sysext-foreign-broken');
      assert.equal(overridden['code'], 'usage');
      assert.equal(codes[4], 'sysext-foreign-removed');
      assert.match(await merged(live), /\["kata","theirs"\]/);
      assert.deepEqual(await shimSeen(live), [shimDigest(live.second), shimDigest(live.second)]);
    });

    it('uninstalls ours alone and leaves the service enabled and running for them', async () => {
      await live.json(['uninstall', '--purge', '--allow', 'sysext-foreign-merged']);

      await live.host.run(['/usr/bin/theirs-tool']);
      assert.deepEqual(differences(before, await print(live)), []);
    });
  });
}
