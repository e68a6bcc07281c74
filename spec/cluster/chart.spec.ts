import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { renderObjects } from '../../cli/generate/kubernetes/manifests.ts';
import { readValues, wholeValues } from '../../cli/generate/kubernetes/values.ts';
import { fitting } from '../generate/kubernetes/valueFiles.ts';
import { goProgram, goProgramAvailable } from '../lab/goPrograms.ts';
import { type KubeLab, kubeLab } from '../lab/kube/index.ts';
import type { Ran } from '../lab/run.ts';
import { stopAfter } from '../support/endings.ts';
import { whereKubernetes, whereOpenshift } from '../support/live/kubernetes.ts';
import { until } from '../support/live/unitWork.ts';
import { program as built, repo } from '../support/program.ts';
import { textFiles } from '../support/textFiles.ts';

type Parsed = ReturnType<typeof JSON.parse>;

const kataDeploy = `apiVersion: apps/v1
kind: DaemonSet
metadata: { name: kata-deploy, namespace: kube-system }
spec:
  selector: { matchLabels: { name: kata-deploy } }
  template:
    metadata: { labels: { name: kata-deploy } }
    spec: { containers: [{ name: kube-kata, image: kata-deploy }] }
`;

/** Without nodes: what an API server and Helm make of the chart. */
describe('the chart in a cluster', function () {
  this.timeout(600_000);
  const texts = textFiles();
  let lab: KubeLab;
  let program: string;

  whereKubernetes(
    async () => {
      program = await goProgram('helm');
      lab = await kubeLab({ nodes: [] });
      await lab.kubectl(['create', 'namespace', 'kata-sysext']);
    },
    () => goProgramAvailable('helm'),
  );
  stopAfter(() => lab);

  const withOpenshift = (test: Mocha.Context) => whereOpenshift(test, lab);

  function helm(verb: string, words: string[] = [], values = fitting['a bundle, observed']!): Promise<Ran> {
    const named = ['install', 'upgrade'].includes(verb);
    const args = [
      verb,
      'kata-sysext',
      ...(named ? [join(repo, 'templates/kubernetes'), '-f', texts.put('values.yaml', values)] : []),
      ...words,
    ];
    const env = { HOME: texts.folder, KUBECONFIG: lab.kubeconfig };
    return lab.run([program, ...args], { env, allowFailure: true });
  }

  /** What the API server says of objects, which are not made. */
  function judged(text: string): Promise<Ran> {
    return lab.kubectl(['apply', '--dry-run=server', '--validate=strict', '-f', '-'], text, { allowFailure: true });
  }

  async function template(): Promise<{ generation: string; mode: string }> {
    const { metadata, spec } = await lab.json<Parsed>(['-n', 'kata-sysext', 'get', 'daemonset', 'kata-sysext']);
    const { env } = spec.template.spec.initContainers.find(({ name }: { name: string }) => name === 'change');
    return { generation: metadata.annotations['deprecated.daemonset.template.generation'], mode: JSON.parse(env[0].value).mode };
  }

  for (const [title, values] of Object.entries(fitting))
    it(`makes objects that the API server takes, field by field: ${title}`, async function () {
      if (values.includes('openshift')) await withOpenshift(this);
      const objects = renderObjects(wholeValues(readValues(values, 'values.yaml'), 'values.yaml')).map(({ object }) =>
        JSON.stringify(object),
      );

      const { code, stdout, stderr } = await judged(objects.join('\n---\n'));

      assert.equal(code, 0, stderr);
      assert.match(stdout, /^daemonset\.apps\/kata-sysext created \(server dry run\)$/m);
    });

  it("has an example for OpenShift that OpenShift's own definition takes; it refuses a field that it does not know, a wrong value, and a field that is missing", async function () {
    await withOpenshift(this);
    const example = readFileSync(join(repo, 'examples/kubernetes/openshift-scc.yaml'), 'utf8');

    const taken = await judged(example);
    const invented = await judged(`${example}allowHostBoot: true\n`);
    const wrong = await judged(example.replace('allowHostPID: false', 'allowHostPID: never'));
    const short = await judged(example.replace('priority: 0\n', ''));

    assert.equal(taken.code, 0, taken.stderr);
    assert.match(taken.stdout, /^securitycontextconstraints\.security\.openshift\.io\/kata-sysext created/);
    assert.match(invented.stderr, /unknown field "allowHostBoot"/);
    assert.match(wrong.stderr, /allowHostPID/);
    assert.match(short.stderr, /priority: Required value/);
    assert.ok(![invented, wrong, short].some(({ code }) => code === 0));
  });

  it('is refused beside a living kata-deploy', async () => {
    await lab.applyYaml(kataDeploy);

    const { code, stderr } = await helm('install', ['--dry-run=server']);

    await lab.kubectl(['-n', 'kube-system', 'delete', 'daemonset', 'kata-deploy']);
    assert.notEqual(code, 0);
    assert.match(stderr, /the DaemonSet kata-deploy of kata-deploy is in the namespace kube-system/);
  });

  it('is installed as an observation, and becomes an installation by an update alone', async () => {
    await lab.kubectl(['delete', 'namespace', 'kata-sysext']);
    const install = ['--set', 'mode=install'];
    const fresh = await helm('install', install);
    const observe = await helm('install');
    const first = await template();
    const canary = await helm('upgrade', [...install, '--set', 'canary.enabled=true']);
    const upgrade = await helm('upgrade', install);
    const second = await template();
    const again = await helm('upgrade', install);
    const third = await template();
    const back = await helm('rollback', ['1']);
    const fourth = await template();

    assert.notEqual(fresh.code, 0);
    assert.match(fresh.stderr, /the DaemonSet kata-sysext is not there yet: Kubernetes would start all of its pods at once/);
    assert.notEqual(canary.code, 0);
    assert.match(canary.stderr, /the DaemonSet kata-sysext-canary is not there yet/);
    for (const { code, stderr } of [observe, upgrade, again, back]) assert.equal(code, 0, stderr);
    assert.deepEqual(
      [first, second, third, fourth],
      [
        { generation: '1', mode: 'observe' },
        { generation: '2', mode: 'install' },
        { generation: '2', mode: 'install' },
        { generation: '3', mode: 'observe' },
      ],
    );
  });

  it('does not become an installation while more nodes than may be in a change at once are still observed', async () => {
    const names = ['node1', 'node2', 'node3'];
    const labels = { 'kubernetes.io/os': 'linux', 'kubernetes.io/arch': 'amd64' };
    for (const name of names) await lab.applyYaml(JSON.stringify({ apiVersion: 'v1', kind: 'Node', metadata: { name, labels } }));
    const install = ['--set', 'mode=install'];
    await until(async () => (await observed()).wanted === 3, 'the controller has seen the nodes');

    const early = await helm('upgrade', install);
    const all = await helm('upgrade', [...install, '--set', 'waves=none', '--dry-run=server']);
    const wider = await helm('upgrade', [...install, '--set', 'maxUnavailable=3', '--dry-run=server']);
    await becomeReady(2);
    await until(async () => (await observed()).ready === 2, 'the controller has seen two pods');
    const upgrade = await helm('upgrade', install);
    const fix = await helm('upgrade', [...install, '--set', 'request.retry=1']);
    await lab.kubectl(['delete', 'node', ...names]);

    assert.notEqual(early.code, 0);
    assert.match(early.stderr, /3 of the 3 nodes of the DaemonSet kata-sysext are not ready yet in mode observe/);
    for (const { code, stderr } of [all, wider, upgrade, fix]) assert.equal(code, 0, stderr);
  });

  async function observed(): Promise<{ wanted: number; ready: number }> {
    const { status } = await lab.json<Parsed>(['-n', 'kata-sysext', 'get', 'daemonset', 'kata-sysext']);
    return { wanted: status.desiredNumberScheduled, ready: status.numberReady };
  }

  /** As a kubelet says it of a pod. */
  async function becomeReady(count: number): Promise<void> {
    const { items } = await lab.json<Parsed>(['-n', 'kata-sysext', 'get', 'pods']);
    const conditions = [{ type: 'Ready', status: 'True' }];
    for (const { metadata } of items.slice(0, count))
      await lab.kubectl([
        '-n',
        'kata-sysext',
        'patch',
        'pod',
        metadata.name,
        '--subresource=status',
        '-p',
        JSON.stringify({ status: { conditions } }),
      ]);
  }

  it('is taken back by its hook, whose token can do nothing else', async () => {
    const rendered = await helm('template', [
      '--kube-version',
      '1.37.2',
      join(repo, 'templates/kubernetes'),
      '-f',
      texts.put('a.yaml', fitting['a bundle, observed']!),
    ]);
    const hooks = parseAllDocuments(rendered.stdout)
      .map((each): Parsed => each.toJS())
      .filter(({ metadata }) => metadata.annotations?.['helm.sh/hook'] === 'pre-delete');
    const job = hooks.find(({ kind }) => kind === 'Job');
    for (const each of hooks.filter(({ kind }) => kind !== 'Job')) await lab.applyYaml(JSON.stringify(each));
    const token = await lab.kubectl(['-n', 'kata-sysext', 'create', 'token', 'kata-sysext-uninstall']);
    const secrets = join(texts.folder, 'root/var/run/secrets/kubernetes.io/serviceaccount');
    mkdirSync(secrets, { recursive: true });
    writeFileSync(join(secrets, 'token'), token.stdout);
    const { clusters } = await lab.json<Parsed>(['config', 'view', '--raw', '--flatten']);
    writeFileSync(join(secrets, 'ca.crt'), Buffer.from(clusters[0].cluster['certificate-authority-data'], 'base64'));
    const { hostname, port } = new URL(lab.apiServer.address);
    const env = {
      KUBERNETES_SERVICE_HOST: hostname,
      KUBERNETES_SERVICE_PORT: port || '443',
      KATA_SYSEXT_NAMESPACE: 'kata-sysext',
      KATA_SYSEXT_PATCHES: job.spec.template.spec.containers[0].env[1].value,
    };
    const command = [
      process.execPath,
      built(),
      ...job.spec.template.spec.containers[0].command.slice(1),
      '--root',
      join(texts.folder, 'root'),
    ];

    const ran = await lab.run(command, { env, allowFailure: true });

    assert.equal(ran.code, 0, ran.stderr);
    assert.match(ran.stderr, /kata-sysext: 0 of 0 nodes have the request, 0 are ready/);
    assert.equal((await template()).mode, 'uninstall');
    const may = async (...words: string[]) =>
      (
        await lab.kubectl(['auth', 'can-i', ...words, '--token', token.stdout.trim()], '', {
          allowFailure: true,
        })
      ).stdout.trim();
    assert.deepEqual(
      [
        await may('patch', 'daemonsets.apps/kata-sysext', '-n', 'kata-sysext'),
        await may('patch', 'daemonsets.apps/other', '-n', 'kata-sysext'),
        await may('delete', 'daemonsets.apps/kata-sysext', '-n', 'kata-sysext'),
        await may('create', 'pods', '-n', 'kata-sysext'),
        await may('list', 'pods', '-n', 'default'),
        await may('get', 'secrets', '-n', 'kata-sysext'),
      ],
      ['yes', 'no', 'no', 'no', 'no', 'no'],
    );
  });
});
