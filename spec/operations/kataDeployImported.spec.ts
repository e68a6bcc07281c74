import assert from 'node:assert/strict';
import { engineParts } from '../../cli/operations/adopt/kataDeploy/engines.ts';
import { refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';
import { dropIn, go, imports, rust, version3 } from '../support/trees/kataDeploy.ts';

const main = '/etc/containerd/config.toml';
const folder = '/opt/kata/containerd/config.d';
const settings = `[plugins."io.containerd.cri.v1.images"]
disable_snapshot_annotations = false

[proxy_plugins.nydus-for-kata-tee]
type = "snapshot"

[debug]
level = "debug"
`;

/** containerd 2.0 and 2.1: its handlers are in a file of the release that the main file imports. */
describe('drop-ins of kata-deploy that a main file imports', () => {
  const treeOf = treesOfSpec();
  const plugin = 'io.containerd.cri.v1.runtime';

  it('give its handlers and its settings', async () => {
    const { host } = await treeOf({
      [main]: imports(`${folder}/kata-deploy.toml`),
      [`${folder}/kata-deploy.toml`]: dropIn([go, rust], plugin, settings),
    });

    const { handlers, keys, files, findings } = await engineParts(host);

    assert.deepEqual(
      handlers.map(({ name, base }) => [name, base]),
      [
        ['kata-qemu', 'qemu'],
        ['kata-qemu-runtime-rs', 'qemu-runtime-rs'],
      ],
    );
    const paths = keys.map((path) => path.join(' '));
    for (const path of [
      `plugins ${plugin} containerd runtimes kata-qemu`,
      'plugins io.containerd.cri.v1.images disable_snapshot_annotations',
      'proxy_plugins nydus-for-kata-tee',
      'debug level',
      'imports',
    ])
      assert.ok(paths.includes(path), `${path} is not in ${paths.join(', ')}`);
    assert.deepEqual([files.map(({ path, after }) => [path, after]), findings], [[[main, version3]], []]);
  });

  for (const name of ['zz-kata-deploy-user.toml', 'zz-kata-deploy-user-beta.toml'])
    it(`and the user's beside it goes, and is named as the users’, each setting by itself: ${name}`, async () => {
      const { host } = await treeOf({
        [main]: imports(`${folder}/kata-deploy.toml`, `${folder}/${name}`),
        [`${folder}/kata-deploy.toml`]: dropIn([rust]),
        [`${folder}/${name}`]: '[metrics]\naddress = "127.0.0.1:1338"\n[debug]\nformat = "json"\n',
      });

      const { keys, files, settings } = await engineParts(host);

      const paths = keys.map((path) => path.join(' '));
      assert.deepEqual(
        paths.filter((path) => /metrics|debug/.test(path)),
        ['metrics address', 'debug format'],
      );
      assert.deepEqual(
        files.map(({ after }) => after),
        [version3],
      );
      assert.deepEqual(settings, [{ path: `${folder}/${name}` }]);
    });

  it('refuse the change where others wrote settings into one that goes with the release', async () => {
    const { host } = await treeOf({
      [main]: imports(`${folder}/kata-deploy.toml`),
      [`${folder}/kata-deploy.toml`]: `${dropIn([rust])}\n[metrics]\naddress = "127.0.0.1:1338"\n`,
    });

    const refused = await refusalOf(engineParts(host));

    assert.equal(refused, 'adopt-unproven');
  });

  it('are no others: another name, another folder', async () => {
    const text = imports('/opt/kata/containerd/config.d/site.toml', '/srv/data/containerd/config.d/kata-deploy.toml');
    const { host } = await treeOf({ [main]: text });

    const { files, imported } = await engineParts(host);

    assert.deepEqual([files, imported], [[], []]);
  });
});
