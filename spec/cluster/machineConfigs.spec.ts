import assert from 'node:assert/strict';
import { kernelArguments, made, madeRendered } from '../generate/requests.ts';
import { type KubeLab, kubeLab } from '../lab/kube/index.ts';
import type { Ran } from '../lab/run.ts';
import { stopAfter } from '../support/endings.ts';
import { whereKubernetes, whereOpenshift } from '../support/live/kubernetes.ts';

/** By OpenShift's own definitions on an API server without nodes: what is in a file that Ignition reads is left open there. */
describe('objects for the machine-config-operator', function () {
  this.timeout(600_000);
  let lab: KubeLab;

  whereKubernetes(async () => {
    lab = await kubeLab({ nodes: [] });
  });
  stopAfter(() => lab);
  before(function () {
    return whereOpenshift(this, lab);
  });

  it('are taken field by field: MachineConfig, pool and NodeDisruptionPolicy', async () => {
    const files = [
      ...made('machineconfig', 'okd-4.22', { kernelArguments }, 'kata'),
      ...madeRendered('machineconfig', 'openshift-4.18', {}, true),
    ];

    const ran: [string, Ran][] = [];
    for (const { name, text } of files) ran.push([name, await judged(text)]);

    assert.deepEqual(
      ran.map(([name, { code, stdout, stderr }]) => [name, code, code === 0 ? kindOf(stdout) : stderr]),
      [
        ['kata-sysext.machineconfig.yaml', 0, 'machineconfig.machineconfiguration.openshift.io'],
        ['kata-sysext.pool.yaml', 0, 'machineconfigpool.machineconfiguration.openshift.io'],
        ['kata-sysext.policy.yaml', 0, 'machineconfiguration.operator.openshift.io'],
        ['kata-sysext.machineconfig.yaml', 0, 'machineconfig.machineconfiguration.openshift.io'],
        ['kata-sysext.policy.yaml', 0, 'machineconfiguration.operator.openshift.io'],
      ],
    );
  });

  it('are refused with a field or an action that OpenShift does not know', async () => {
    const [config, policy] = ['machineconfig', 'policy'].map(
      (part) => made('machineconfig', 'okd-4.22').find(({ name }) => name === `kata-sysext.${part}.yaml`)!.text,
    );

    const invented = await judged(config!.replace(/^spec:$/m, 'spec:\n  bogus: true'));
    const action = await judged(policy!.replace('DaemonReload', 'DaemonRestart'));

    assert.match(invented.stderr, /\.spec\.bogus: field not declared in schema/);
    assert.match(action.stderr, /Unsupported value: "DaemonRestart"/);
    assert.ok(invented.code !== 0 && action.code !== 0);
  });

  function judged(text: string): Promise<Ran> {
    return lab.kubectl(['apply', '--server-side', '--dry-run=server', '--validate=strict', '-f', '-'], text, { allowFailure: true });
  }

  function kindOf(stdout: string): string {
    return stdout.split('/')[0]!;
  }
});
