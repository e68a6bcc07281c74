import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { runInProcess } from '../support/inProcess.ts';
import { plain } from '../support/judges/generated.ts';
import { engineHosts, prepareEngineHost } from '../support/trees/engineHosts.ts';
import { inProcessTree, plainReleases } from '../support/trees/inProcessTree.ts';
import { scratch } from '../support/trees/treeHost.ts';

const digest = `sha256:${'1'.repeat(64)}`;

/** Why the wiring of each is not computed elsewhere, what works instead, and the unit that the hook waits for; none: no hook either. */
const rows: [engine: string, why: RegExp, instead: RegExp, unit?: string][] = [
  ['k3s', /a drop-in or a template below \/var\/lib\/rancher\/k3s/, /--form hook --engine k3s: one restart/, 'k3s-agent.service'],
  ['rke2@1.35.3', /a drop-in or a template below \/var\/lib\/rancher\/rke2/, /--form hook --engine rke2: one/, 'rke2-server.service'],
  ['k0s@1.34', /a drop-in of the unit of k0s/, /--form hook --engine k0s: k0s starts its containerd again by itself/, 'k0sworker.service'],
  ['docker@28.0', /daemon\.json/, /--form hook --engine docker: one reload/, 'docker.service'],
  ['nodeadm@2.1', /Amazon Linux 2023 of EKS alone/, /install BUNDLE --root DIR --engine nodeadm@VERSION$/],
];

describe('a first boot of nodes whose engine has its own way', function () {
  this.timeout(300_000);
  let first: string;
  let folder: string;

  before(async () => {
    ({ first } = await plainReleases());
  });
  beforeEach(() => {
    folder = scratch('generate');
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  for (const [engine, why, instead, unit] of rows) {
    it(`${engine}: the form rendered is refused with the reason and what works, and nothing is written`, async () => {
      const request = ['--target', 'fcos', '--form', 'rendered', '--from', 'https://files.example.org', '--engine', engine, '-o', folder];

      const ran = await runInProcess(['generate', 'ignition', first, ...request, '--json']);

      const { code, found, needed } = JSON.parse(ran.stdout) as Record<string, string>;
      assert.deepEqual([ran.status, code], [2, 'usage']);
      assert.match(found!, why);
      assert.match(needed!, instead);
      assert.deepEqual(readdirSync(folder), []);
    });

    it(`${engine}: ${unit === undefined ? 'no hook is made for a system that never has it' : `the hook installs for it, after ${unit}`}`, async () => {
      const bundle = ['https://files.example.org/kata.tar.zst', '--digest', digest];
      const program = ['--program', 'https://files.example.org/p', '--program-digest', digest];

      const ran = await runInProcess(['generate', 'ignition', ...bundle, ...program, '--target', 'fcos', '--engine', engine, '-o', folder]);

      if (unit === undefined) {
        assert.deepEqual([ran.status, readdirSync(folder)], [2, []]);
        assert.match(ran.stderr, instead.source.endsWith('$') ? new RegExp(instead.source.slice(0, -1)) : instead);
        return;
      }
      assert.equal(ran.status, 0, ran.stderr);
      const text = readFileSync(join(folder, 'kata-sysext.ign'), 'utf8');
      const [hook] = plain(JSON.parse(text)).files;
      assert.match(hook!.text, new RegExp(`--engine' '?${engine}|--engine '?${engine}`));
      const units = (JSON.parse(text) as { systemd: { units: { contents: string }[] } }).systemd.units;
      assert.match(units[0]!.contents, new RegExp(`^After=.* ${unit.replace('.', '\\.')}( |$)`, 'm'));
    });
  }

  for (const [name, row] of Object.entries(engineHosts))
    it(`${name}: in a tree that becomes an image nothing is restarted, and the wiring is that of a host, or it is refused`, async () => {
      const [image, host] = ['image', 'host'].map(() => inProcessTree(row.tree, (root) => prepareEngineHost(root, row), row.engine));

      const ran = await image!.run(['install', first, '--backend', 'baked', '--json']);
      await host!.json(['install', first]);

      const said = JSON.parse(ran.stdout) as { restarted?: string[]; code?: string; found?: string };
      if (ran.status === 3) {
        assert.deepEqual([said.code, /below \/var/.test(said.found!)], ['engine-unsupported', true]);
        assert.match(row.engine, /^(?:k3s|rke2)@/);
      } else {
        assert.deepEqual([ran.status, said.restarted], [0, []], ran.stdout);
        const [baked, live] = [marksIn(image!.path('usr/lib/kata-sysext')), marksIn(host!.path('var/lib/kata-sysext/generations/1'))];
        assert.deepEqual(baked, live);
      }
      for (const tree of [image!, host!]) tree.remove();
    });
});

/** The recorded wiring below a folder: its paths and texts. */
function marksIn(folder: string): unknown {
  const record = readdirSync(folder, { recursive: true })
    .map(String)
    .find((path) => path.endsWith('record.json'));
  const { wiring } = JSON.parse(readFileSync(join(folder, record!), 'utf8')) as { wiring: { marks: unknown } };
  return wiring.marks;
}
