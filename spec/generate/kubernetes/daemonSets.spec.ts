import assert from 'node:assert/strict';
import { renderObjects } from '../../../cli/generate/kubernetes/manifests.ts';
import { readValues, wholeValues } from '../../../cli/generate/kubernetes/values.ts';
import { fitting } from './valueFiles.ts';

type Parsed = ReturnType<typeof JSON.parse>;

function daemonSets(values: string): Parsed[] {
  const objects = renderObjects(wholeValues(readValues(values, 'values.yaml'), 'values.yaml'));
  return objects.filter(({ kind }) => kind === 'DaemonSet').map(({ object }) => object);
}

function requestText({ spec }: Parsed): string {
  const { env } = spec.template.spec.initContainers.find(({ name }: Parsed) => name === 'change');
  return env.find(({ name }: Parsed) => name === 'KATA_SYSEXT_REQUEST').value;
}

/** Whether a scheduler puts the pod on a node with these labels. */
function takes({ spec }: Parsed, labels: Record<string, string>): boolean {
  const { nodeSelector, affinity } = spec.template.spec;
  const { nodeSelectorTerms } = affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution;
  const holds = ({ key, operator, values }: Parsed) => values.includes(labels[key]) === (operator === 'In');
  const selected = Object.entries(nodeSelector).every(([key, value]) => labels[key] === value);
  return selected && nodeSelectorTerms.some(({ matchExpressions }: Parsed) => matchExpressions.every(holds));
}

const node = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' };
const canary = { 'kata-sysext/canary': 'true', pool: 'a.b_c-D' };

describe('the DaemonSets of the chart', () => {
  it('have the very request of the values, without a sign that the kubelet replaces', () => {
    const values = readValues(fitting['hostile texts']!, 'values.yaml');

    const text = requestText(daemonSets(fitting['hostile texts']!)[0]);

    const request = values.get('request') as Map<string, unknown>;
    assert.ok(!text.includes('$'));
    assert.deepEqual(JSON.parse(text).settings, request.get('settings'));
    assert.match(JSON.parse(text).settings[0], /^kernel_params=\$\(NODE_NAME\) \$\$ /);
  });

  it('share the nodes: each real node has one pod, whatever labels of the canary it has', () => {
    const [main, second] = daemonSets(fitting['a canary that is ahead']!);
    const nodes: [labels: Record<string, string>, pods: [boolean, boolean]][] = [
      [node, [true, false]],
      [{ ...node, 'kubernetes.io/arch': 'arm64' }, [true, false]],
      [{ ...node, ...canary }, [false, true]],
      [{ ...node, pool: canary.pool }, [true, false]],
      [{ ...node, ...canary, pool: 'other' }, [true, false]],
      [{ ...node, ...canary, type: 'virtual-kubelet' }, [false, false]],
      [{ ...node, type: 'virtual-kubelet' }, [false, false]],
      [{ ...node, 'eks.amazonaws.com/compute-type': 'fargate' }, [false, false]],
      [{ ...node, 'kubernetes.io/os': 'windows' }, [false, false]],
      [{ ...node, 'kubernetes.io/arch': 's390x' }, [false, false]],
    ];

    const pods = nodes.map(([labels]) => [takes(main, labels), takes(second, labels)]);

    assert.deepEqual(
      pods,
      nodes.map(([, wanted]) => wanted),
    );
    assert.notDeepEqual(main.spec.selector, second.spec.selector);
    assert.deepEqual(
      [main, second].map(requestText).map((text) => JSON.parse(text).mode),
      ['observe', 'install'],
    );
  });

  it('have nothing in the pod template that changes without the request', () => {
    const [first] = daemonSets(fitting['a bundle, observed']!);
    const [second] = daemonSets(
      `${fitting['a bundle, observed']}maxUnavailable: 9\nruntimeClasses: {select: intent}\nnamespace: {name: other}\n`,
    );

    assert.deepEqual(first.spec.template, second.spec.template);
    assert.notDeepEqual(first, second);
  });
});
