import assert from 'node:assert/strict';
import { chmodSync, chownSync, existsSync, renameSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type FakeApi, fakeApi, kubeconfigFor } from '../support/fakeApi.ts';
import { runInProcess } from '../support/inProcess.ts';
import { run as runProgram } from '../support/program.ts';
import { scratch } from '../support/trees/treeHost.ts';

describe('a kubeconfig', function () {
  this.timeout(120_000);
  let api: FakeApi | undefined;
  afterEach(async () => {
    await api?.close();
    api = undefined;
  });

  const run = (path: string) => runInProcess(['status', '--fleet', '--kubeconfig', path]);

  it('may name a credential plugin, which the built program runs', async () => {
    api = await fakeApi(() => ({ json: { kind: 'List', metadata: {}, items: [] } }));
    const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token: 'of-plugin' } };
    const exec = { apiVersion: credential.apiVersion, command: 'echo', args: [JSON.stringify(credential)], interactiveMode: 'Never' };

    await runProgram(['status', '--fleet', '--kubeconfig', kubeconfigFor(api.origin, { exec })]);

    assert.equal(api.asked[0]?.authorization, 'Bearer of-plugin');
  });

  // Another owner can be made by root alone.
  if (process.getuid?.() === 0)
    it('is refused that belongs to another user, and its plugin is not run', async () => {
      const ran = join(scratch('ran'), 'ran');
      const made = kubeconfigFor(undefined, { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: 'touch', args: [ran] } });
      const path = join(dirname(made), 'my config');
      renameSync(made, path);
      chownSync(path, 65534, 65534);

      const { status, stderr } = await run(path);

      assert.equal(status, 2);
      assert.match(stderr, /a file of the user 65534[\s\S]*it may name programs to run and files to send/);
      assert.match(stderr, /kubectl config view --kubeconfig '[^']+\/my config' --raw --flatten >~\/kubeconfig/);
      assert.ok(!existsSync(ran));
    });

  const foreign = 'clusters: [{name: a, cluster: {server: "file:///etc"}}]\nusers: [{name: a, user: {token: secret}}]\n';
  const context = 'contexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a';
  const unfit: [title: string, make: (path: string) => void, words: RegExp][] = [
    ['that everybody may write', (path) => chmodSync(path, 0o666), /others may change/],
    ['that its group may write', (path) => chmodSync(path, 0o660), /others may change/],
    ['that is no YAML, whose text is not shown', (path) => writeFileSync(path, 'token: secret\n  a: ['), /is no kubeconfig at line \d+$/m],
    ['that is empty', (path) => writeFileSync(path, ''), /is no kubeconfig$/m],
    ['whose lists are none', (path) => writeFileSync(path, 'clusters: 7\nusers: x\ncontexts: {}'), /is no kubeconfig$|names no cluster/m],
    ['without a cluster', (path) => writeFileSync(path, 'current-context: lab'), /names no cluster with an address/],
    ['with another kind of address', (path) => writeFileSync(path, `${foreign}${context}`), /names no cluster with an address/],
    ['that is too large', (path) => writeFileSync(path, '#'.repeat(2_000_000)), /1048576/],
  ];
  for (const [title, make, words] of unfit)
    it(`is refused ${title}`, async () => {
      const path = kubeconfigFor();
      make(path);

      const { status, stderr } = await run(path);

      assert.equal(status, 2);
      assert.match(stderr, words);
      assert.doesNotMatch(stderr, /secret/);
    });
});
