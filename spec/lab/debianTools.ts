import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Availability, bootstrapped } from './roots.ts';

/** sigstore's own program. */
export interface Cosign {
  /** Makes a key pair without a password in a folder; gives the public key. */
  newKey(folder: string): Promise<string>;
  /** Signs a file with the folder's key: `FILE.sigstore.json`. */
  sign(folder: string, file: string): Promise<string>;
  /** The same as a statement of the file's origin. */
  attest(folder: string, file: string): Promise<string>;
  /** What cosign itself says of a bundle of `sign`. */
  accepts(folder: string, file: string, bundle: string): Promise<boolean>;
}

/** Programs of Debian 13 that bookworm lacks: judges of signatures and artefacts, and etcd. */
export interface DebianTools {
  cosign: Cosign;
  /** Runs oras in a folder; gives its standard output. */
  oras(folder: string, args: string[]): Promise<string>;
  /** The command line of distribution's registry, before its arguments. */
  registry: string[];
  /** The same of the store of Kubernetes. */
  etcd: string[];
}

const exec = promisify(execFile);
const packages = ['cosign', 'oras', 'docker-registry', 'etcd-server'];

/** A `why` is for a skip's name. Makes a root with the programs at first use: half a minute. */
export async function debianTools(): Promise<Availability & { tools?: DebianTools }> {
  try {
    const root = await bootstrapped('root-tools', 'trixie', packages);
    // With the C library of its own root, so that nothing has to be mounted.
    const program = (name: string) => [
      join(root, 'lib64/ld-linux-x86-64.so.2'),
      '--library-path',
      join(root, 'usr/lib/x86_64-linux-gnu'),
      join(root, 'usr/bin', name),
    ];
    const run = async (name: string, folder: string, args: string[]) => {
      const [file = '', ...more] = program(name);
      const env = { ...process.env, COSIGN_PASSWORD: '', HOME: folder };
      return (await exec(file, [...more, ...args], { cwd: folder, env })).stdout;
    };
    return {
      ok: true,
      tools: {
        cosign: cosignBy((folder, args) => run('cosign', folder, args)),
        oras: (folder, args) => run('oras', folder, args),
        registry: program('docker-registry'),
        etcd: program('etcd'),
      },
    };
  } catch (error) {
    const last = String((error as Error).message)
      .trim()
      .split('\n')
      .at(-1);
    return { ok: false, why: `${packages.join(', ')} cannot be installed: ${(last ?? '').replace(/\b[a-z]+:\/\/\S+/g, '<mirror>')}` };
  }
}

function cosignBy(run: (folder: string, args: string[]) => Promise<string>): Cosign {
  const offline = ['--key', 'cosign.key', '--tlog-upload=false', '--new-bundle-format', '-y'];
  return {
    async newKey(folder) {
      await run(folder, ['generate-key-pair']);
      return join(folder, 'cosign.pub');
    },
    async sign(folder, file) {
      await run(folder, ['sign-blob', ...offline, '--bundle', `${file}.sigstore.json`, file]);
      return `${file}.sigstore.json`;
    },
    async attest(folder, file) {
      const origin = join(folder, 'origin.json');
      writeFileSync(origin, '{"buildDefinition":{"buildType":"a","externalParameters":{}},"runDetails":{"builder":{"id":"a"}}}');
      const bundle = ['--bundle', `${file}.sigstore.json`];
      await run(folder, ['attest-blob', ...offline, ...bundle, '--type', 'slsaprovenance1', '--predicate', origin, file]);
      return `${file}.sigstore.json`;
    },
    accepts(folder, file, bundle) {
      const args = [
        '--key',
        'cosign.pub',
        '--trusted-root',
        'root.json',
        '--insecure-ignore-tlog',
        '--new-bundle-format',
        '--bundle',
        bundle,
      ];
      return run(folder, ['verify-blob', ...args, file]).then(
        () => true,
        () => false,
      );
    },
  };
}
