import assert from 'node:assert/strict';
import { KataError } from '../../cli/errors/index.ts';
import { withoutDeployed } from '../../cli/operations/adopt/kataDeploy/texts.ts';
import { dropIn, go, rich, rust } from '../support/trees/kataDeploy.ts';

const path = '/etc/containerd/config.toml';
const foreign = '[plugins."io.example.site"] # theirs\n  key = [1,\n    2]\n\t# a comment of theirs\n';
const old = 'io.containerd.grpc.v1.cri';

/** Offsets of the headers of a text, with the header's line. */
function headersOf(text: string): string[] {
  return text.split('\n').filter((line) => /^\s*\[/.test(line));
}

describe('a file of an engine without kata-deploy’s text', () => {
  it('is byte for byte the file before, wherever others wrote a table meanwhile', () => {
    const deployed = rich.after([go, rust]);

    const wrong = [...headersOf(rich.before), undefined].filter((header) => {
      const put = (text: string) => (header === undefined ? text + foreign : text.replace(`${header}\n`, `${foreign}${header}\n`));
      const { text } = withoutDeployed(put(deployed), path, rich.before);
      return text !== put(rich.before);
    });

    assert.deepEqual(wrong, []);
  });

  it('keeps what others changed, line by line', () => {
    const changes: [from: string, to: string][] = [
      ['"pause:3.10"', "'pause:3.11' # newer"],
      ['SystemdCgroup = true', 'SystemdCgroup = false'],
      ['# Node configuration\n', ''],
      ['root = "/var/lib/containerd"\n', 'root = "/var/lib/containerd"\noom_score = -999\n'],
      ['    config_path', '    # theirs\n    config_path'],
    ];

    for (const [from, to] of changes) {
      const { text } = withoutDeployed(rich.after([rust]).replace(from, to), path, rich.before);

      assert.equal(text, rich.before.replace(from, to));
    }
  });

  it('without the copy from before keeps the settings that kata-deploy changed, and loses its tables', () => {
    const { text, handlers } = withoutDeployed(rich.after([rust]), path, undefined);

    assert.deepEqual(handlers, [
      {
        name: rust.name,
        base: 'qemu-runtime-rs',
        destination: '/opt/kata',
        configuration: '/opt/kata/share/defaults/kata-containers/runtime-rs/runtimes/qemu-runtime-rs/configuration-qemu-runtime-rs.toml',
      },
    ]);
    assert.equal(
      text,
      rich.before
        .replace('disable_snapshot_annotations = true # theirs', 'disable_snapshot_annotations = false')
        .replace('"info"', '"debug"'),
    );
  });

  it('keeps handlers of others, also of the same release', () => {
    const theirs = [
      `[plugins."${old}".containerd.runtimes.kata]\nruntime_type = "io.containerd.kata.v2"\n`,
      `[plugins."${old}".containerd.runtimes.own]\nruntime_type = "io.containerd.own.v2"\nruntime_path = "/opt/kata/bin/containerd-shim-kata-v2"\n`,
      dropIn([{ ...go, folder: '/opt/kata-static/../kata' }], old),
      dropIn([{ ...go, folder: '/opt/other' }], old),
      // The layout of an archive that an administrator unpacked.
      dropIn([go], old).replace('/runtimes/qemu/configuration-', '/configuration-'),
      `[proxy_plugins.nydus]\ntype = "snapshot"\naddress = "/run/nydus.sock"\n`,
    ];

    for (const text of theirs) assert.deepEqual(withoutDeployed(text, path, undefined), { text, handlers: [], keys: [] });
  });

  it('loses its import alone, first, last or between', () => {
    const own = '"/opt/kata/containerd/config.d/kata-deploy.toml"';
    const rows: [before: string, after: string][] = [
      [`version = 3\nimports = [${own}]\n`, 'version = 3\n'],
      [`imports = [${own}, "/a/*.toml"]\nversion = 3\n`, 'imports = ["/a/*.toml"]\nversion = 3\n'],
      [`imports = [ "/a/*.toml", ${own}, "/b/*.toml" ] # x\n`, 'imports = [ "/a/*.toml", "/b/*.toml" ] # x\n'],
      [`imports = [\n  "/a/*.toml", # x\n  ${own},\n]\n`, 'imports = [\n  "/a/*.toml",\n]\n'],
    ];

    for (const [before, after] of rows) assert.equal(withoutDeployed(before, path, undefined).text, after);
  });

  it('is refused where its handler is written in another form, and nothing is guessed', () => {
    const inline = `[plugins."${old}".containerd.runtimes]\nkata-qemu = { runtime_type = "io.containerd.kata-qemu.v2", privileged_without_host_devices = true, runtime_path = "/opt/kata/bin/containerd-shim-kata-v2", options = { ConfigPath = "/opt/kata/share/defaults/kata-containers/runtimes/qemu/configuration-qemu.toml" } }\n`;

    assert.throws(
      () => withoutDeployed(inline, path, undefined),
      (error) => error instanceof KataError && error.code === 'engine-unsupported' && error.message.includes('kata-qemu'),
    );
  });
});
