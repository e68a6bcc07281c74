import assert from 'node:assert/strict';
import { k3s } from '../../cli/engines/k3s/index.ts';
import { notRendered } from '../../cli/engines/rancher/rendered.ts';
import { asToml } from '../../cli/engines/rancher/templates.ts';
import { rke2 } from '../../cli/engines/rke2/index.ts';
import type { Instance } from '../../cli/engines/types.ts';

describe('engines/rancher: templates, and what it says of a configuration', () => {
  const texts: [template: string, toml: string][] = [
    ['{{ template "base" . }}\na = 1\n', '#\na = 1\n'],
    ['  {{ if .x }} {{ y }}\na = {{ z }}\n{{ end }}', '  # #\na = 1e00\n#'],
    ['{{ x }} a = 1', '1e00 a = 1'],
    ['{{ x }} {{ y }} a', '1e00 1e00 a'],
    ['# {{ x }} {{ y }}\n{{ z }}', '# # #\n#'],
    ['{{/* a */}} {{/* b\n c */}} d', '# 1e00 d'],
    ['a = "{{ x }}{{ y }}"', 'a = "1e001e00"'],
  ];
  for (const [template, wanted] of texts)
    it(`${JSON.stringify(template)} is read as ${JSON.stringify(wanted)}`, () => {
      assert.equal(asToml(template), wanted);
    });

  it('a template of one long line is read without a look at each byte for each of its actions', function () {
    // Sixty times some milliseconds; with a look for each action it is minutes.
    this.timeout(60_000);
    const blanks = ' '.repeat(1000);
    const found: string[] = [];
    for (let time = 0; time < 60; time += 1) found.push(asToml(`${blanks}{{ x }}`.repeat(999)));

    assert.ok(found.every((text) => text === `${blanks}#`.repeat(999)));
  });

  it('an image is pulled with the programs of the instance’s own data folder', () => {
    const at = (dataDir: string) => ({ configPath: `${dataDir}/agent/etc/containerd/config.toml` });
    const said = [
      rke2.cri!.pullCommand(at('/srv/rke2'), 'pause:1'),
      rke2.cri!.pullCommand({ configPath: '/etc/other.toml' }, 'pause:1'),
      k3s.cri!.pullCommand(at('/srv/k3s'), 'pause:1'),
    ];

    const rest = '--address /run/k3s/containerd/containerd.sock --namespace k8s.io images pull pause:1';
    assert.deepEqual(said, [
      `/srv/rke2/bin/ctr ${rest}`,
      `/var/lib/rancher/rke2/bin/ctr ${rest}`,
      'k3s ctr --namespace k8s.io images pull pause:1',
    ]);
  });

  it('a configuration that was not written yet: the unit is started where it is known', () => {
    const instance: Instance = {
      engine: 'rke2',
      configPath: '/x/config.toml',
      renderer: { title: 'RKE2', writes: '/x/config.toml', when: 'at each start' },
    };

    const next = [{ ...instance, unit: 'rke2-agent.service' }, instance].map((each) => notRendered(each).complaint.next);

    assert.deepEqual(next, ['systemctl start rke2-agent.service', 'install RKE2 and start it once: it writes the file then']);
  });
});
