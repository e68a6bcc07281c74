import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkJson } from '../support/judges/schemas.ts';
import { releases, scratch, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const base64 = (text: string) => Buffer.from(text).toString('base64');

/** What must never leave the host. Each is planted where such things stand, and in the log lines that a failed change kept. */
const secrets = {
  registryPassword: 'Corr3ct-horse"battery',
  registryAuth: base64('robot:St4ple-0f-auth'),
  authPassword: 'St4ple-0f-auth',
  identityToken: 'idt_9f8e7d6c5b4a',
  header: 'Zm9vYmFyLWhlYWRlcg-x',
  proxyPassword: 'pr0xy-p4ss',
  encodedPassword: 'p%40ss-w0rd%21',
  decodedPassword: 'p@ss-w0rd!',
  unitToken: 'u-n1t-v4lue-XY',
  k3sToken: 'K10f00dfeedf00dfeedf00dfeed::server:clu5ter-secret',
  dockerAuth: base64('puller:D0cker-auth-pw'),
  dockerPassword: 'D0cker-auth-pw',
  keyLine: 'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7',
  keyEnd: 'ktH2q9ZZq2Y=',
  sshKey: 'AAAAC3NzaC1lZDI1NTE5AAAAIGx9dGhpc2lzYWtleQ',
  wifi: 'w1fi-psk-secret',
};
const names = {
  host: 'ruby-falcon-07',
  domain: 'ruby-falcon-07.prod.acme-bank.example',
  registry: 'registry.acme-bank.example',
  bareRegistry: 'harborhost',
  mirror: 'mirror-eu.acme-bank.example',
  proxy: 'proxyhost.acme-bank.example',
  neighbour: 'onyx-heron-12',
  user: 'mgonzalez',
  ipv4: '10.42.17.93',
  ipv6: '2001:db8:42::17:93',
  mac: '52:54:00:be:ef:42',
  machine: '0123456789abcdef0123456789abcdef',
  uuid: '3f2504e0-4f89-41d3-9a0c-0305e82c3301',
};

const files: Record<string, string> = {
  'etc/hostname': `${names.host}\n`,
  'etc/hosts': `127.0.0.1 localhost\n${names.ipv4} ${names.domain} ${names.neighbour}\n`,
  'etc/resolv.conf': 'search prod.acme-bank.example\nnameserver 10.42.0.2\n',
  'etc/passwd': `root:x:0:0:root:/root:/bin/bash\n${names.user}:x:1000:1000::/home/${names.user}:/bin/bash\n`,
  'etc/containerd/certs.d/harborhost/hosts.toml': `server = "https://${names.bareRegistry}"\n[host."https://${names.mirror}".header]\n  authorization = ["Basic ${secrets.header}"]\n`,
  'etc/containerd/certs.d/harborhost/client.key': `-----BEGIN PRIVATE KEY-----\n${secrets.keyLine}\n${secrets.keyEnd}\n-----END PRIVATE KEY-----\n`,
  'etc/systemd/system/containerd.service.d/proxy.conf': `[Service]\nEnvironment="HTTPS_PROXY=http://joe:${secrets.proxyPassword}@${names.proxy}:3128" "PLAIN_NAME=${secrets.unitToken}"\nEnvironment=HTTP_PROXY=http://joe:${secrets.encodedPassword}@proxyhost:3128\n`,
  'etc/rancher/k3s/config.yaml': `server: https://${names.domain}:6443\ncontainer-runtime-endpoint: unix:///run/containerd/containerd.sock\ntoken: ${secrets.k3sToken}\n`,
  'root/.docker/config.json': JSON.stringify({ auths: { [names.registry]: { auth: secrets.dockerAuth } } }),
  'etc/NetworkManager/system-connections/wifi.nmconnection': `[wifi-security]\npsk-secret=${secrets.wifi}\n`,
};

/** Log lines as a failed change keeps them, with everything in them that was ever seen in a log. */
const evidence = [
  `time="2026-11-24T03:00:00Z" level=error msg="pull of ${names.registry}/app failed" error="401 from https://robot:${secrets.authPassword}@${names.registry}/v2/"`,
  `${names.host} containerd[1]: dial tcp ${names.ipv4}:6443: connect: no route to host`,
  `lookup ${names.neighbour} on [${names.ipv6}]:53: no such host`,
  `proxy says ${JSON.stringify({ password: secrets.registryPassword })} and ${secrets.decodedPassword}`,
  `auth seen as ${secrets.registryAuth}, ${base64(`puller:${secrets.dockerPassword}`)}, ${secrets.dockerAuth}, ${base64(secrets.registryPassword)}`,
  `env was ${secrets.unitToken}, ${secrets.k3sToken}, ${secrets.wifi}`,
  `identity ${secrets.identityToken} header ${secrets.header}`,
  `key ${secrets.keyLine}`,
  secrets.keyEnd,
  '-----END PRIVATE KEY-----',
  `ssh-ed25519 ${secrets.sshKey} ${names.user}@${names.host}`,
  `link ${names.mac} of ${names.machine} disk ${names.uuid} home /var/home/${names.user}/x`,
  `mirror ${names.mirror} bare ${names.bareRegistry} proxy ${names.proxy} host ${names.domain.toUpperCase()}`,
];

function plant(root: string): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  const config = join(root, 'etc/containerd/config.toml');
  const registry = [
    `[plugins."io.containerd.grpc.v1.cri".registry.configs."${names.registry}".auth]`,
    '  username = "robot"',
    `  password = ${JSON.stringify(secrets.registryPassword)}`,
    `  auth = "${secrets.registryAuth}"`,
    `  identitytoken = "${secrets.identityToken}"`,
  ];
  writeFileSync(config, `${readFileSync(config, 'utf8')}${registry.join('\n')}\n`);
}

describe('report', () => {
  let host: TreeHost;
  let folder: string;

  before(async () => {
    host = treeHost('microos', plant);
    await host.json(['install', (await releases()).first]);
    const path = host.path('var/lib/kata-sysext/history/000001.json');
    const entry = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
    writeFileSync(path, JSON.stringify({ ...entry, evidence, error: { code: 'failed', found: evidence.join('; '), next: evidence[1] } }));
    // A pipe in somebody's configuration: who opens it waits for ever.
    execFileSync('mkfifo', [host.path('etc/containerd/certs.d/pipe.toml')]);
    folder = scratch('report');
  });
  after(() => {
    host.remove();
    rmSync(folder, { recursive: true });
  });

  it('holds nothing of what is secret, and no name or address, in no shape', async () => {
    const file = join(folder, 'whole.md');

    const told = await host.run(['report', '-o', file, '--verbose']);

    const text = readFileSync(file, 'utf8');
    assert.equal(told.status, 0, told.stderr);
    for (const [what, value] of Object.entries({ ...secrets, ...names })) {
      const shapes = [
        value,
        JSON.stringify(value).slice(1, -1),
        base64(value),
        encodeURIComponent(value),
        Buffer.from(value).toString('hex'),
      ];
      for (const shape of shapes) assert.ok(!text.toLowerCase().includes(shape.toLowerCase()), `${what}: ${shape}`);
      assert.ok(!`${told.stdout}${told.stderr}`.includes(value), what);
    }
    assert.ok(!text.includes('acme-bank'));
    for (const word of text.match(/[A-Za-z0-9+/]{8,}={0,2}/g) ?? []) {
      const plain = Buffer.from(word, 'base64').toString();
      for (const [what, value] of Object.entries(secrets)) assert.ok(!plain.includes(value), `${what} in base64: ${word}`);
    }
  });

  it('holds what a maintainer asks for, and says what was replaced', async () => {
    const { stdout: text } = await host.run(['report', '-o', '-']);

    for (const words of [
      'Please read it before you send it',
      'kata-sysext check',
      '"installed": true',
      'io.containerd.',
      '/etc/kata-sysext/current -> ',
      'no route to host',
    ])
      assert.ok(text.includes(words), words);
    assert.match(text, /^ {4}generation 1: \d+ entries by kind, mode and size, 0 differ/m);
    assert.match(text, /\| `<secret-N>` \| .* \| \d+ \| \d+ \|/);
    assert.match(text, /dial tcp <ip-\d+>:6443/);
  });

  it('is a file of its maker only, never over another one, and changes nothing on the host', async () => {
    const before = host.fingerprint();
    const [file, link, target] = ['own.md', 'link.md', 'target.md'].map((name) => join(folder, name)) as [string, string, string];
    symlinkSync(target, link);

    const seen = await host.json(['report', '--output', file]);
    const again = await host.run(['report', '-o', file]);
    const through = await host.run(['report', '-o', link]);
    const nowhere = await host.run(['report', '-o', join(folder, 'no/such/folder.md')]);
    const missing = await host.run(['report']);

    assert.equal(statSync(file).mode & 0o7777, 0o600);
    assert.deepEqual([seen['file'], seen['sizeBytes']], [file, statSync(file).size]);
    assert.deepEqual([again.status, through.status, nowhere.status, missing.status], [2, 2, 2, 2]);
    assert.match(missing.stderr, /-o FILE/);
    assert.ok(!existsSync(target));
    assert.deepEqual(host.fingerprint(), before);
  });

  it('goes on when a section cannot be made, and says why', async () => {
    const broken = host.copy();
    writeFileSync(broken.path('var/lib/kata-sysext/history/000001.json'), '{"password": "abcd-efgh-1');

    const seen = await broken.json(['report', '-o', '-']);
    broken.remove();

    checkJson(seen);
    const missing = (seen['sections'] as { name: string; missing?: string }[]).filter((section) => section.missing !== undefined);
    assert.deepEqual(
      missing.map(({ name }) => name),
      ['history'],
    );
    assert.match(missing[0]!.missing!, /000001\.json is damaged: it is no JSON[^\n]* \[state-damaged\]/);
    assert.ok(!String(seen['text']).includes('abcd-efgh-1'));
  });
});
