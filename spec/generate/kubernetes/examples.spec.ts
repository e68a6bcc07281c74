import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Document, parseAllDocuments } from 'yaml';
import { renderObjects } from '../../../cli/generate/kubernetes/manifests.ts';
import { readValues, wholeValues } from '../../../cli/generate/kubernetes/values.ts';
import type { NodeReport } from '../../../cli/requests/index.ts';
import { metricsText } from '../../../cli/requests/metrics.ts';
import { repo } from '../../support/program.ts';

const folder = join(repo, 'examples/kubernetes');
const text = (name: string) => readFileSync(join(folder, name), 'utf8');

describe('the examples for Kubernetes', () => {
  it('are YAML and JSON that parse without a warning', () => {
    const files = readdirSync(folder);

    const documents = files.filter((name) => name.endsWith('.yaml')).flatMap((name) => parseAllDocuments(text(name)) as Document[]);
    const dashboard = JSON.parse(text('dashboard.json'));

    assert.deepEqual(
      documents.flatMap(({ errors, warnings }) => [...errors, ...warnings]),
      [],
    );
    assert.ok(documents.length > files.length);
    assert.equal(dashboard.uid, 'kata-sysext');
  });

  it('ask for metrics that a node writes', () => {
    const report = {
      request: `sha256:${'a'.repeat(64)}`,
      mode: 'install',
      state: 'done',
      ready: true,
      restarts: 0,
      at: '2026-11-30T00:00:00Z',
    };
    const rest = { reason: '', handlers: [], engine: '', system: '' };
    const written = metricsText({ ...report, ...rest } as unknown as NodeReport);

    const asked = [...`${text('alerts.yaml')}${text('dashboard.json')}`.matchAll(/kata_sysext_[a-z_]+/g)].map(([name]) => name);

    const known = (name: string) => written.includes(`\n${name}{`) || written.includes(`\n${name} `);
    assert.deepEqual(
      asked.filter((name) => !known(name)),
      [],
    );
    assert.ok(asked.length > 3);
  });

  it('except the node pod from exactly the policies of Pod Security that it breaks', () => {
    const objects = renderObjects(wholeValues(readValues(text('values.yaml'), 'values.yaml'), 'values.yaml'));
    const set = objects.find(({ kind }) => kind === 'DaemonSet')!.object as ReturnType<typeof JSON.parse>;
    const { initContainers, containers, volumes, hostNetwork, hostPID, hostIPC } = set.spec.template.spec;
    const all = [...initContainers, ...containers].map(({ securityContext }) => securityContext);
    const breaks: Record<string, boolean> = {
      'disallow-host-path': volumes.some((each: object) => 'hostPath' in each),
      'restrict-volume-types': volumes.some((each: object) => 'hostPath' in each),
      'disallow-selinux': all.some(({ seLinuxOptions }) => seLinuxOptions !== undefined),
      'restrict-apparmor-profiles': all.some(({ appArmorProfile }) => appArmorProfile?.type === 'Unconfined'),
      'require-run-as-nonroot': all.some(({ runAsNonRoot }) => runAsNonRoot !== true),
      'require-run-as-non-root-user': all.some(({ runAsUser }) => runAsUser === 0),
      'disallow-privileged-containers': all.some(({ privileged }) => privileged === true),
      'disallow-privilege-escalation': all.some(({ allowPrivilegeEscalation }) => allowPrivilegeEscalation !== false),
      'disallow-capabilities-strict': all.some(({ capabilities }) => !capabilities.drop.includes('ALL') || capabilities.add !== undefined),
      'restrict-seccomp-strict': all.some(({ seccompProfile }) => seccompProfile?.type !== 'RuntimeDefault'),
      'disallow-host-namespaces': [hostNetwork, hostPID, hostIPC].some((each) => each !== undefined),
    };

    const excepted = parseAllDocuments(text('kyverno-exception.yaml'))[0]!.toJS().spec.exceptions;

    assert.deepEqual(
      excepted.map(({ policyName }: { policyName: string }) => policyName).sort(),
      Object.keys(breaks)
        .filter((name) => breaks[name])
        .sort(),
    );
  });

  it('make a token for the containers that ask for the node or change its labels, and for no other one', () => {
    const objects = renderObjects(wholeValues(readValues(text('values.yaml'), 'values.yaml'), 'values.yaml'));
    const set = objects.find(({ kind }) => kind === 'DaemonSet')!.object as ReturnType<typeof JSON.parse>;
    const { initContainers, containers, automountServiceAccountToken } = set.spec.template.spec;

    const mounts = [...initContainers, ...containers].map(({ name, volumeMounts }) => [
      name,
      volumeMounts.map(({ name, readOnly }: { name: string; readOnly?: boolean }) => `${name}${readOnly === true ? ' (read only)' : ''}`),
    ]);

    assert.equal(automountServiceAccountToken, false);
    assert.deepEqual(mounts, [
      ['ready', ['node-ready', 'token (read only)']],
      ['change', ['dbus', 'state', 'report (read only)', 'node-ready (read only)']],
      ['label', ['report (read only)', 'token (read only)']],
      ['report', ['report (read only)']],
    ]);
  });

  it('name each kind of volume of the pod in the SCC, without which OpenShift admits no pod', () => {
    const objects = renderObjects(wholeValues(readValues(`${text('values.yaml')}\nopenshift: true\n`, 'values.yaml'), 'values.yaml'));
    const object = (kind: string) => objects.find((each) => each.kind === kind)!.object as ReturnType<typeof JSON.parse>;

    const kinds = object('DaemonSet').spec.template.spec.volumes.map((volume: object) => Object.keys(volume).find((key) => key !== 'name'));

    assert.deepEqual([...new Set(kinds)].sort(), object('SecurityContextConstraints').volumes);
  });

  it('name both accounts of pods in the SCC: that of the node pod, and that of the hook where there is one', () => {
    const users = (more: string) => {
      const values = readValues(`${text('values.yaml')}\nopenshift: true\n${more}`, 'values.yaml');
      const scc = renderObjects(wholeValues(values, 'values.yaml')).find(({ kind }) => kind === 'SecurityContextConstraints')!;
      return scc.object['users'];
    };
    const account = 'system:serviceaccount:kata-sysext:kata-sysext';

    assert.deepEqual(users(''), [account, `${account}-uninstall`]);
    assert.deepEqual(users('uninstall: {hook: false}\n'), [account]);
    assert.match(text('openshift-scc.yaml'), new RegExp(`- "${account}"\n  - "${account}-uninstall"\n`));
  });
});
