/** The lab's own proof, by hand and without the product: `tsx spec/lab/smoke.ts [SUITE...]`. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { containerdConfig } from './containerd.ts';
import { bootHost, type LabHost } from './host.ts';
import { judgeBinds } from './judge.ts';
import { podOutput, removePod, runPod, waitForCri } from './pods.ts';
import { bootGuest, linkBundle } from './qemu.ts';
import { FIRST, marker, SECOND, sampleRelease } from './release/index.ts';
import { SUITES, type Suite, suiteAvailable } from './roots.ts';
import { shimsOf } from './shims.ts';

const BASE = '/var/lib/lab-kata';
const CURRENT = '/etc/lab-kata/current';

async function main(suites: string[]): Promise<void> {
  for (const suite of suites as Suite[]) {
    const available = await suiteAvailable(suite);
    if (!available.ok) console.log(`SKIP ${suite}: ${available.why}`);
    else await smoke(suite);
  }
}

async function smoke(suite: Suite): Promise<void> {
  const lap = timer(suite);
  const first = await sampleRelease(FIRST);
  const second = await sampleRelease(SECOND);
  const tools = await judgeBinds();
  lap('artefacts');
  const host = await bootHost({ suite, binds: { ...tools, [first.folder]: '/mnt/release', [second.folder]: '/mnt/release-next' } });
  lap('booted');
  try {
    await unpack(host, '/mnt/release', first.version);
    await unpack(host, '/mnt/release-next', second.version);
    lap('two releases unpacked');
    await host.sh(`mkdir -p /etc/lab-kata && ln -s ${BASE}/${FIRST} ${CURRENT} && systemctl restart containerd`);
    await wire(host, suite);
    await waitForCri(host);
    lap('wired');
    await pods(host);
    lap('pods');
    for (const version of [FIRST, SECOND]) {
      const tree = `${BASE}/${version}/opt/kata`;
      await linkBundle(host, tree);
      const seen = await bootGuest(host, tree);
      expect(seen.console.includes(marker(version)), `QEMU of ${version} prints its marker`, seen.console);
      expect(seen.foreign.length === 0, `QEMU of ${version} opens nothing outside its tree`, seen.foreign.join('\n'));
      lap(`guest of ${version}: ${seen.seconds.toFixed(1)} s under TCG, ${seen.opened} files of the tree opened`);
    }
  } finally {
    await host.stop();
  }
  lap('stopped');
}

async function unpack(host: LabHost, folder: string, version: string): Promise<void> {
  await host.sh(`mkdir -p ${BASE}/${version}; for f in ${folder}/*.tar.zst; do tar -C ${BASE}/${version} --zstd -xf $f; done`);
}

async function wire(host: LabHost, suite: Suite): Promise<void> {
  const plugin = SUITES[suite].schema === 3 ? 'io.containerd.cri.v1.runtime' : 'io.containerd.grpc.v1.cri';
  const table = `plugins."${plugin}".containerd.runtimes.kata-qemu`;
  const handler = `
[${table}]
  runtime_type = "io.containerd.kata-qemu.v2"
  runtime_path = "${CURRENT}/opt/kata/bin/containerd-shim-kata-v2"
  privileged_without_host_devices = true
  [${table}.options]
    ConfigPath = "${CURRENT}/opt/kata/share/defaults/kata-containers/configuration-qemu.toml"
`;
  await host.run(['tee', '/etc/containerd/config.toml'], { input: containerdConfig(suite) + handler });
  await host.run(['systemctl', 'restart', 'containerd']);
}

async function pods(host: LabHost): Promise<void> {
  const digest = async (version: string): Promise<string> =>
    sha256(await readFile(`${host.root}${BASE}/${version}/opt/kata/bin/containerd-shim-kata-v2`));
  const before = await runPod(host, 'kata-qemu', 'before');
  const other = await runPod(host, 'kata-qemu', 'other');
  const plain = await runPod(host, 'runc', 'plain');
  expect((await podOutput(host, before, 'echo hello from a pod')) === 'hello from a pod\n', 'a container prints', '');
  const shims = await shimsOf(host);
  const standins = shims.filter((shim) => !shim.command.includes('containerd-shim-runc-v2'));
  expect(
    standins.length === 2 && (await Promise.all(standins.map(async (shim) => shim.sha256 === (await digest(FIRST))))).every(Boolean),
    "one shim a sandbox, with the first version's digest",
    JSON.stringify(shims, null, 1),
  );
  await host.sh(`ln -sfn ${BASE}/${SECOND} ${CURRENT}.new && mv -T ${CURRENT}.new ${CURRENT}`);
  const after = await runPod(host, 'kata-qemu', 'after');
  expect((await podOutput(host, before, 'echo still here')) === 'still here\n', 'a pod of the first version serves on after the flip', '');
  expect((await podOutput(host, after, 'echo new')) === 'new\n', 'a pod of the second version runs', '');
  await host.run(['systemctl', 'restart', 'containerd']);
  await waitForCri(host);
  expect((await podOutput(host, other, 'echo again')) === 'again\n', 'a pod survives a restart of containerd', '');
  const second = await digest(SECOND);
  expect((await shimsOf(host)).filter((shim) => shim.sha256 === second).length === 1, "the new sandbox has the second version's shim", '');
  for (const pod of [before, other, plain, after]) await removePod(host, pod);
  for (let tries = 0; tries < 600 && (await shimsOf(host)).length > 0; tries++) await new Promise((resolve) => setTimeout(resolve, 100));
  expect((await shimsOf(host)).length === 0, 'no shim is left', JSON.stringify(await shimsOf(host)));
}

function expect(true_: boolean, what: string, seen: string): void {
  console.log(`  ${true_ ? 'ok  ' : 'FAIL'} ${what}`);
  if (!true_) throw new Error(`${what}:\n${seen}`);
}

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

function timer(suite: Suite): (what: string) => void {
  let since = Date.now();
  return (what) => {
    console.log(`${suite} ${((Date.now() - since) / 1000).toFixed(1)} s ${what}`);
    since = Date.now();
  };
}

await main(process.argv.length > 2 ? process.argv.slice(2) : Object.keys(SUITES));
