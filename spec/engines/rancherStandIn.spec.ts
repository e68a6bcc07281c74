import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { readings, sameSettings } from '../../cli/documents/toml/index.ts';
import { run } from '../lab/run.ts';
import { type Base, baseText, realRancher, realRenderings, rendered, renderShell } from '../support/rancher.ts';
import { scratch } from '../support/trees/treeHost.ts';

const nvidia = { nvidia: '/usr/bin/nvidia-container-runtime', 'nvidia-cdi': '/usr/bin/nvidia-container-runtime.cdi' };
const toolkit = '/usr/local/nvidia/toolkit/nvidia-container-runtime';
const auth = {
  'ghcr.example.net': ['identitytoken = "t0ken"'],
  'registry.example.com:5000': ['username = "puller"', String.raw`password = "not-a-secret \"x\""`],
};

/** What the node of each real file had, beside the age in its name; templates are beside the files. */
const nodes: Record<string, Partial<Base>> = {
  'k3s/import-v2-on-containerd2.user-template-with-base': { schema: 2 },
  'k3s/import-v3.data-dir': { dataDir: '/data/k3s' },
  'k3s/import-v3.default': {},
  'k3s/import-v3.nvidia': { runtimes: nvidia },
  'k3s/import-v3.selinux-registries': { selinux: true, nonrootDevices: true, auth },
  'k3s/import-v3.user-template-own-imports-before-base.INVALID': {},
  'k3s/import-v3.user-template-with-base': {},
  'k3s/import-v3.user-template-without-base': {},
  'k3s/noimport-v3-2025-08.default': {},
  'k3s/noimport-v3-2025-08.nvidia-operator-default-runtime': {
    runtimes: { crun: '/usr/bin/crun', nvidia: toolkit, 'nvidia-experimental': `${toolkit}-experimental` },
    defaultHandler: 'nvidia',
  },
  'k3s/noimport-v3-2025-08.user-template-imports-after-base.DEAD-KEY': {},
  'k3s/noimport-v3-2025-08.user-template-imports-then-base': {},
  'k3s/v2-2024-11.default': {},
  'k3s/v2-2024-11.selinux-registries': { selinux: true, auth },
  'k3s/v2-2024-11.user-template-with-base': { runtimes: nvidia },
  'rke2/import-v3.default': {},
  'rke2/import-v3.selinux-nvidia': { selinux: true, runtimes: nvidia },
  'rke2/noimport-v3-2025-08.selinux-crun': { selinux: true, runtimes: { crun: '/usr/bin/crun' } },
  'rke2/v2-2024-11.default': {},
};

/** The base and the template that a real file was made from. */
function inputsOf(name: string): { base: Base; template: string | undefined } {
  const age = /\/import-/.test(name) ? '2026' : /\/noimport-/.test(name) ? '2025' : '2024';
  const program = name.startsWith('k3s/') ? 'k3s' : 'rke2';
  const template = realRancher(`${name}.config-v3.toml.tmpl`) ?? realRancher(`${name}.config.toml.tmpl`);
  return { base: { program, age, ...nodes[name] }, template };
}

/** By the shell that the stand-ins of the live specs run. */
async function byShell({ base, template }: ReturnType<typeof inputsOf>, folder: string): Promise<string> {
  const paths = { base: join(folder, 'base'), template: template === undefined ? '' : join(folder, 'template') };
  writeFileSync(paths.base, baseText(base));
  if (template !== undefined) writeFileSync(paths.template, template);
  const env = { ...paths, age: base.age };
  return (await run(['sh', '-euc', `${renderShell}render | trim`], { env })).stdout;
}

/** By both parsers; two texts that are no TOML are the same line by line. */
function areSame(real: string, own: string): boolean {
  const read = (text: string) => {
    try {
      return readings(text, 'config.toml');
    } catch {
      return undefined;
    }
  };
  const [was, is] = [read(real), read(own)];
  if (was === undefined || is === undefined) return was === is && real.trim() === own.trim();
  return was.every((each, index) => sameSettings(each, is[index]!));
}

describe('engines/rancher: what the stand-ins render is what k3s and RKE2 rendered', () => {
  const names = realRenderings();

  before(function () {
    if (names.length > 0) return;
    console.log('      real files are not beside this checkout');
    this.skip();
  });

  it('no real file is left out', () => {
    assert.deepEqual(names, Object.keys(nodes));
  });

  for (const name of Object.keys(nodes))
    it(`${name}, by value, in the specs and on the hosts`, async function () {
      const real = realRancher(`${name}.config.toml`);
      if (real === undefined) this.skip();
      const inputs = inputsOf(name);
      const { base, template = '{{ template "base" . }}\n' } = inputs;

      const own = [rendered(template, baseText(base), base.age !== '2024'), await byShell(inputs, scratch('stand-in'))];

      assert.deepEqual(
        own.map((text) => areSame(real, text)),
        [true, true],
      );
    });
});
