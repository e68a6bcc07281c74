import assert from 'node:assert/strict';
import { cri } from '../../cli/engines/containerd/cri.ts';
import { KataError } from '../../cli/errors/index.ts';
import { parseStatus } from '../../cli/facts/extensions.ts';
import { layeringOf } from '../../cli/facts/layers.ts';
import { machineConfigOf } from '../../cli/facts/machineConfig.ts';
import type { HostView } from '../../cli/host/index.ts';

const key = '"__pr\\u006fto__": {"env": {"LD_PRELOAD": "/x.so"}}';

/** What a host's own programs and notes say, and which code says that it cannot be. */
const texts: [what: string, text: string][] = [
  ['no JSON', 'nothing'],
  ['nothing', ''],
  ['null', 'null'],
  ['a list of lists', '[[]]'],
  ['a number', '7'],
  ['lists inside each other', '['.repeat(500_000)],
];
const layers: [what: string, text: string][] = [
  ...texts,
  ['deployments that are a table', '{"deployments": {}}'],
  ['deployments that are null', '{"deployments": [null]}'],
  ['packages that are a text', '{"deployments": [{"booted": true, "requested-packages": "kata"}]}'],
  ['packages that are numbers', '{"deployments": [{"booted": true, "requested-packages": [1]}]}'],
  ['packages that are tables', '{"deployments": [{"booted": true, "requested-packages": [{}]}]}'],
  ['a key that leads out', `{"deployments": [{"booted": true, ${key}}]}`],
];
const notes: [what: string, text: string][] = [
  ...texts,
  ['a spec that is null', '{"spec": null}'],
  ['files that are a table', '{"spec": {"config": {"storage": {"files": {}}}}}'],
  ['a file without a path', '{"spec": {"config": {"storage": {"files": [{}]}}}}'],
  ['a relative path', '{"spec": {"config": {"storage": {"files": [{"path": "etc/x"}]}}}}'],
  ['a path that is a table', '{"spec": {"config": {"storage": {"files": [{"path": {}}]}}}}'],
  ['a unit in another folder', '{"spec": {"config": {"systemd": {"units": [{"name": "../x.service"}]}}}}'],
  ['units that are texts', '{"spec": {"config": {"systemd": {"units": ["x"]}}}}'],
  ['extensions that are tables', '{"spec": {"extensions": [{}]}}'],
  ['a name that is a table', '{"metadata": {"name": {}}, "spec": {}}'],
  ['a key that leads out', `{"spec": {}, ${key}}`],
];
const merges: [what: string, text: string][] = [
  ...texts,
  ['a row that is null', '[null]'],
  ['a hierarchy that is a number', '[{"hierarchy": 1, "extensions": "none"}]'],
  ['extensions that are tables', '[{"hierarchy": "/usr", "extensions": [{}]}]'],
  ['extensions that are a number', '[{"hierarchy": "/usr", "extensions": 7}]'],
  ['a key that leads out', `[{"hierarchy": "/usr", "extensions": "none", ${key}}]`],
];

describe('documents: what the host says', () => {
  for (const [what, text] of layers) {
    it(`rpm-ostree: ${what} is host-unknown`, async () => {
      const host = { live: true, has: async () => true, run: async () => ({ code: 0, stdout: text, stderr: '' }) } as unknown as HostView;

      const code = await codeOf(() => layeringOf(host));

      assert.equal(code, 'host-unknown');
    });
  }

  for (const [what, text] of notes) {
    it(`the note of a MachineConfig: ${what} is host-unknown`, async () => {
      const host = { readText: async () => text, realpath: async (path: string) => path } as unknown as HostView;

      const code = await codeOf(() => machineConfigOf(host));

      assert.equal(code, 'host-unknown');
    });
  }

  for (const [what, text] of merges) {
    it(`systemd-sysext: ${what} is failed`, async () => {
      const code = await codeOf(async () => parseStatus(text));

      assert.equal(code, 'failed');
    });
  }

  it('takes null where these programs write it', async () => {
    const status =
      '{"deployments": [{"booted": true, "requested-packages": null, "requested-local-packages": ["a-1.x86_64"]}], "transaction": null}';
    const note = '{"metadata": null, "spec": {"extensions": null, "config": {"storage": null, "systemd": {"units": null}}}}';
    const ostree = { live: true, has: async () => true, run: async () => ({ code: 0, stdout: status, stderr: '' }) } as unknown as HostView;
    const node = { readText: async () => note, realpath: async (path: string) => path } as unknown as HostView;

    const [layering, owned] = [await layeringOf(ostree), await machineConfigOf(node)];

    assert.deepEqual(layering, { requested: ['a-1.x86_64'], next: undefined, busy: false });
    assert.deepEqual([owned?.name, owned?.extensions], ['without a name', []]);
  });

  for (const [what, text] of [...texts, ['a key that leads out', `{"containerd": {"runtimes": {${key}}}}`] as const]) {
    it(`the engine’s verbose status: ${what} names no handlers`, () => {
      const handlers = cri.handlersIn({ config: text });

      assert.deepEqual(handlers, {});
    });
  }
});

async function codeOf(read: () => Promise<unknown>): Promise<string> {
  try {
    await read();
    return 'none';
  } catch (error) {
    return error instanceof KataError ? error.code : String(error);
  }
}
