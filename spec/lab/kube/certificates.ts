import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../run.ts';

/** Where the API server listens, and the address of the service `kubernetes`: pods reach it without kube-proxy. */
export const ADDRESS = '10.77.0.1';
export const SERVICE = '10.96.0.1';

const names = [`IP:127.0.0.1,IP:${ADDRESS},IP:${SERVICE}`, ...['', '.default', '.default.svc'].map((end) => `DNS:kubernetes${end}`)];
const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** Makes the cluster's authority `ca`, the API server's own certificate, its one for kubelets, and the key of service accounts. */
export async function makeAuthority(folder: string): Promise<void> {
  await openssl(folder, ['req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '3650', '-subj', '/CN=lab']);
  await makeCertificate(folder, 'api', '/CN=kube-apiserver', names.join());
  await makeCertificate(folder, 'api-kubelet', '/O=system:masters/CN=kube-apiserver-kubelet-client');
  await openssl(folder, ['ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', 'sa.key']);
  await openssl(folder, ['ec', '-in', 'sa.key', '-pubout', '-out', 'sa.pub']);
}

/** NAME.crt and NAME.key in the folder, signed by its authority. */
export async function makeCertificate(folder: string, name: string, subject: string, alternatives?: string): Promise<void> {
  await openssl(folder, ['req', ...key, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', subject]);
  await writeFile(join(folder, `${name}.ext`), alternatives === undefined ? '' : `subjectAltName=${alternatives}\n`);
  const signed = ['-in', `${name}.csr`, '-out', `${name}.crt`, '-days', '3650', '-extfile', `${name}.ext`];
  // A random serial number: several are signed at the same time.
  const serial = `0x${Buffer.from(crypto.getRandomValues(new Uint8Array(8))).toString('hex')}`;
  await openssl(folder, ['x509', '-req', ...signed, '-CA', 'ca.crt', '-CAkey', 'ca.key', '-set_serial', serial]);
}

/** The text of a kubeconfig: of a user with a token, or with the certificate NAME of the folder. */
export async function kubeconfigOf(folder: string, user: { token: string } | { certificate: string }): Promise<string> {
  const encoded = async (file: string) => (await readFile(join(folder, file))).toString('base64');
  const credentials =
    'token' in user
      ? user
      : {
          'client-certificate-data': await encoded(`${user.certificate}.crt`),
          'client-key-data': await encoded(`${user.certificate}.key`),
        };
  const cluster = { server: `https://${ADDRESS}:443`, 'certificate-authority-data': await encoded('ca.crt') };
  return `${JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'lab', cluster }],
    users: [{ name: 'user', user: credentials }],
    contexts: [{ name: 'lab', context: { cluster: 'lab', user: 'user' } }],
    'current-context': 'lab',
  })}\n`;
}

async function openssl(folder: string, args: string[]): Promise<void> {
  await run(['openssl', ...args], { cwd: folder });
}
