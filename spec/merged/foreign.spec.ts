import assert from 'node:assert/strict';
import { waitForCri } from '../lab/pods.ts';
import { stopAfter } from '../support/endings.ts';
import { differences, fingerprint } from '../support/judges/fingerprint.ts';
import { handlersOf, type Live, liveHost } from '../support/live/liveHost.ts';

const handler = 'kata-qemu-runtime-rs';
const leftOut = ['var/lib/containerd', 'var/log', 'var/lib/systemd', 'var/tmp', 'var/cache'];

/** What others put on the host before or in between stays, byte for byte, and is reported. */
describe('other people’s files on a live host', function () {
  this.timeout(900_000);
  let live: Live;

  before(async () => {
    live = await liveHost({
      suite: 'trixie',
      files: { [`/etc/kata-containers/${handler}.d/10-operator.toml`]: '[runtime]\nenable_debug = true\n' },
    });
  });
  stopAfter(() => live);

  it('an operator’s fragment, files in our folders and an edit in between survive install and uninstall', async () => {
    const original = fingerprint(live.host.root, ['etc', 'usr', 'opt', 'var'], leftOut);
    await live.json(['install', live.bundle(live.first)]);
    const fragment = await live.host.run(['cat', `/etc/kata-sysext/current/config/${handler}/config.d/10-operator.toml`]);
    await live.host.sh(
      'echo mine > /etc/kata-sysext/note; echo mine > /var/lib/kata-sysext/note; sleep 1; printf "# edited in between\\n" >> /etc/containerd/config.toml',
    );

    const refused = await live.json(['uninstall', '--purge'], 3);
    const done = await live.json(['uninstall', '--purge', '--allow', 'engine-pending-edits']);

    assert.match(fragment.stdout, /enable_debug = true/);
    assert.equal(refused['code'], 'engine-pending-edits');
    const told = (done['findings'] as { subject: string }[]).map((finding) => finding.subject).join(' ');
    assert.match(told, /\/etc\/kata-sysext/);
    assert.match(told, /\/var\/lib\/kata-sysext/);
    assert.deepEqual(await handlersOf(live), ['runc']);
    assert.equal((await live.host.run(['tail', '-n1', '/etc/containerd/config.toml'])).stdout, '# edited in between\n');
    await live.host.sh('rm -r /etc/kata-sysext /var/lib/kata-sysext; sed -i "/# edited in between/d" /etc/containerd/config.toml');
    assert.deepEqual(differences(original, fingerprint(live.host.root, ['etc', 'usr', 'opt', 'var'], leftOut)), []);
  });

  it('an edit inside our own block stays and is told; uninstall still works', async () => {
    await live.host.run(['systemctl', 'restart', 'containerd']);
    await waitForCri(live.host);
    await live.json(['install', live.bundle(live.first)]);
    await live.host.sh(
      `sed -i 's/privileged_without_host_devices = true/privileged_without_host_devices = false/' /etc/containerd/config.toml; systemctl restart containerd`,
    );
    await waitForCri(live.host);

    const done = await live.json(['uninstall', '--purge']);

    const told = (done['findings'] as { code: string; subject: string }[]).find((finding) => finding.code === 'foreign-edit');
    assert.match(told?.subject ?? '', /config\.toml/);
    assert.match((await live.host.run(['cat', '/etc/containerd/config.toml'])).stdout, /privileged_without_host_devices = false/);
    assert.ok((await handlersOf(live)).includes('runc'));
  });
});
