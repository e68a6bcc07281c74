import type { ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../run.ts';
import { ADDRESS, kubeconfigOf, makeAuthority } from './certificates.ts';
import { endProcess, startDaemon } from './daemon.ts';
import type { Network } from './network.ts';

export interface ControlPlane {
  apiServer: ApiServer;
  /** Path of the administrator's. */
  kubeconfig: string;
  adminToken: string;
  /** The folder of the certificates. */
  pki: string;
  auditLog: string;
  stop(): Promise<void>;
}

export interface ApiServer {
  /** In the control plane's network and from nodes and pods. */
  address: string;
  stop(): Promise<void>;
  /** Ends when it answers `ok` at /readyz. */
  start(): Promise<void>;
}

export interface Programs {
  /** A folder of the lab with what was built of Kubernetes. */
  kubernetes: string;
  /** The command line of etcd, before its arguments. */
  etcd: readonly string[];
}

export interface ControlPlaneOptions {
  /** More flags of kube-controller-manager. */
  controllers?: readonly string[];
  /** The API server notes each request but those of leases, with its user. */
  audit?: boolean;
}

const users = {
  admin: ['admin', 'system:masters'],
  controllers: ['system:kube-controller-manager', ''],
  scheduler: ['system:kube-scheduler', ''],
} as const;

/** etcd, API server, controllers and scheduler in a network of their own, with RBAC and NodeRestriction; three to eight seconds. */
export async function startControlPlane(
  folder: string,
  network: Network,
  { kubernetes, etcd }: Programs,
  { controllers = [], audit = false }: ControlPlaneOptions = {},
): Promise<ControlPlane> {
  const pki = join(folder, 'pki');
  for (const name of ['pki', 'log']) await mkdir(join(folder, name), { mode: 0o700 });
  await makeAuthority(pki);
  const tokens = Object.fromEntries(Object.keys(users).map((name) => [name, randomBytes(16).toString('hex')]));
  const rows = Object.entries(users).map(([name, [user, group]], index) => `${tokens[name]},${user},${index},"${group}"\n`);
  await writeFile(join(pki, 'tokens.csv'), rows.join(''));
  for (const name of Object.keys(users))
    await writeFile(join(pki, `${name}.kubeconfig`), await kubeconfigOf(pki, { token: tokens[name]! }));
  const auditLog = join(folder, 'audit.log');
  const policy = join(folder, 'audit.json');
  await writeFile(policy, JSON.stringify(auditPolicy));
  const auditFlags = audit ? [`--audit-policy-file=${policy}`, `--audit-log-path=${auditLog}`, '--audit-log-maxsize=10000'] : [];
  const running = new Map<string, ChildProcess>();
  const begin = (name: string, argv: readonly string[]) => running.set(name, startDaemon(network.command(argv), join(folder, 'log', name)));
  const end = async (name: string) => {
    const child = running.get(name);
    if (child !== undefined) await endProcess(child);
  };
  const apiServer: ApiServer = {
    address: `https://${ADDRESS}:443`,
    start: async () => {
      begin('kube-apiserver', [join(kubernetes, 'kube-apiserver'), ...apiServerFlags(pki), ...auditFlags]);
      await waitUntilReady(network, () => running.get('kube-apiserver')?.exitCode ?? null, folder);
    },
    stop: () => end('kube-apiserver'),
  };
  begin('etcd', [...etcd, ...etcdFlags(join(folder, 'etcd'))]);
  await apiServer.start();
  for (const name of ['controllers', 'scheduler'] as const) {
    const more = name === 'controllers' ? controllers : [];
    begin(name, [...clientArgv(name, kubernetes, pki, folder), ...more]);
  }
  return {
    apiServer,
    kubeconfig: join(pki, 'admin.kubeconfig'),
    adminToken: tokens['admin']!,
    pki,
    auditLog,
    stop: async () => {
      for (const name of ['scheduler', 'controllers', 'kube-apiserver', 'etcd']) await end(name);
    },
  };
}

/** Who asks for what, and no body. Leases are what each kubelet keeps, whatever runs on its node. */
const auditPolicy = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [{ level: 'None', resources: [{ group: 'coordination.k8s.io', resources: ['leases'] }] }, { level: 'Metadata' }],
};

const etcdAddress = 'http://127.0.0.1:2379';

function etcdFlags(data: string): string[] {
  const peers = 'http://127.0.0.1:2380';
  return [
    `--data-dir=${data}`,
    `--listen-client-urls=${etcdAddress}`,
    `--advertise-client-urls=${etcdAddress}`,
    `--listen-peer-urls=${peers}`,
    '--unsafe-no-fsync',
  ];
}

function apiServerFlags(pki: string): string[] {
  const file = (name: string) => join(pki, name);
  return [
    `--etcd-servers=${etcdAddress}`,
    '--bind-address=0.0.0.0',
    `--advertise-address=${ADDRESS}`,
    '--secure-port=443',
    `--tls-cert-file=${file('api.crt')}`,
    `--tls-private-key-file=${file('api.key')}`,
    `--client-ca-file=${file('ca.crt')}`,
    `--kubelet-client-certificate=${file('api-kubelet.crt')}`,
    `--kubelet-client-key=${file('api-kubelet.key')}`,
    '--kubelet-preferred-address-types=InternalIP',
    `--token-auth-file=${file('tokens.csv')}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    '--service-cluster-ip-range=10.96.0.0/16',
    `--service-account-key-file=${file('sa.pub')}`,
    `--service-account-signing-key-file=${file('sa.key')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
  ];
}

function clientArgv(name: 'controllers' | 'scheduler', kubernetes: string, pki: string, folder: string): string[] {
  const kubeconfig = join(pki, `${name}.kubeconfig`);
  const flags = ['kubeconfig', 'authentication-kubeconfig', 'authorization-kubeconfig'].map((flag) => `--${flag}=${kubeconfig}`);
  const own = [
    `--service-account-private-key-file=${join(pki, 'sa.key')}`,
    `--root-ca-file=${join(pki, 'ca.crt')}`,
    '--use-service-account-credentials=true',
  ];
  const program = join(kubernetes, name === 'controllers' ? 'kube-controller-manager' : 'kube-scheduler');
  return [program, ...flags, '--leader-elect=false', `--cert-dir=${join(folder, name)}`, ...(name === 'controllers' ? own : [])];
}

/** /readyz is open to all. */
async function waitUntilReady(network: Network, exitCode: () => number | null, folder: string): Promise<void> {
  const ask = network.command(['curl', '-s', '--max-time', '5', '--cacert', join(folder, 'pki/ca.crt'), `https://${ADDRESS}/readyz`]);
  for (const deadline = Date.now() + 600_000; ; await new Promise((resolve) => setTimeout(resolve, 100))) {
    if ((await run(ask, { allowFailure: true })).stdout === 'ok') return;
    if (exitCode() !== null || Date.now() > deadline)
      throw new Error(`the API server does not come up:\n${readFileSync(join(folder, 'log/kube-apiserver'), 'utf8').slice(-2000)}`);
  }
}
