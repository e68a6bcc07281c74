import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { recordedPolicy } from '../support/policies/index.ts';
import { contextOfType, nodePodNeeds, notNeeded, type PodNeed, podTypes } from '../support/policies/nodePodNeeds.ts';
import { repo } from '../support/program.ts';

type Stock = 'debian' | 'fedora';

/** The rules that a policy lacks. */
async function missing(name: Stock, needs: PodNeed[]): Promise<string[]> {
  const policy = recordedPolicy(name);
  const rules: string[] = [];
  for (const { source, target, class: kind, may } of needs) {
    const access = await policy.access(contextOfType(source), contextOfType(target), kind);
    const denied = may.filter((permission) => access?.allowed.has(permission) !== true);
    if (denied.length > 0) rules.push(`allow ${source} ${target}:${kind} ${denied.join(' ')}`);
  }
  return rules;
}

/** The rules of the module, for the types of a policy. */
function moduleRules(name: Stock): PodNeed[] {
  const { engine, bus, transient } = podTypes[name];
  const types = new Map([
    ['container_engine_system_domain', engine],
    ['system_dbusd_runtime_t', bus],
    ['systemd_transient_unit_t', transient],
  ]);
  const text = readFileSync(join(repo, 'examples/selinux/node-pod-reference.cil'), 'utf8');
  return [...text.matchAll(/^\(allow (\S+) (\S+) \((\S+) \(([^)]+)\)\)\)$/gm)].map(([, source = '', target = '', kind = '', may = '']) => ({
    source: types.get(source) ?? source,
    target: types.get(target) ?? target,
    class: kind,
    may: may.split(' '),
    why: 'the module has it',
  }));
}

describe('what a node pod needs of a policy', () => {
  it('is all given by Fedora’s, and five rules are missing in Debian’s', async () => {
    const [fedora, debian] = [
      await missing('fedora', nodePodNeeds(podTypes.fedora)),
      await missing('debian', nodePodNeeds(podTypes.debian)),
    ];

    assert.deepEqual(fedora, []);
    assert.deepEqual(debian, [
      'allow dockerd_t system_dbusd_runtime_t:dir mounton',
      'allow dockerd_t etc_t:dir mounton',
      'allow dockerd_t var_lib_t:dir mounton',
      'allow spc_t init_t:system status start',
      'allow spc_t systemd_transient_unit_t:service status',
    ]);
  });

  it('the module of examples/ gives what Debian’s lacks, and nothing that Fedora’s does not give', async () => {
    const [rules, fedora] = [await missing('debian', moduleRules('debian')), await missing('fedora', moduleRules('fedora'))];

    assert.deepEqual(fedora, []);
    assert.deepEqual(rules, await missing('debian', nodePodNeeds(podTypes.debian)));
  });

  it('a container without a label of its own, and so a privileged one, gets spc_t from both', async () => {
    for (const name of ['debian', 'fedora'] as const) {
      const { engine } = podTypes[name];
      const domain = await recordedPolicy(name).create(contextOfType(engine), contextOfType('container_ro_file_t'), 'process');

      assert.equal(domain, contextOfType('spc_t'));
    }
  });

  it('the unit of a request gets the domain of a service from both', async () => {
    for (const name of ['debian', 'fedora'] as const) {
      const domain = await recordedPolicy(name).create(contextOfType('init_t'), contextOfType('shell_exec_t'), 'process');

      assert.equal(domain, contextOfType('initrc_t'));
    }
  });

  it('a confined container reads nothing below /var/lib, so the report lies in /etc', async () => {
    for (const name of ['debian', 'fedora'] as const) {
      assert.deepEqual(await missing(name, [notNeeded]), ['allow container_t var_lib_t:file open read']);
    }
  });
});
