import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '../../spec/lab/run.ts';

/** Files of the user's keys; nothing is signed with a key that nobody named. */
export interface Keys {
  /** A private ECDSA key in PEM. */
  openssl: string | undefined;
  /** A secret key of minisign. */
  minisign: string | undefined;
}

/** Keys that can sign; `publicKey` belongs to `openssl`. */
export interface OpenKeys extends Keys {
  publicKey: string | undefined;
}

/** Looks at the keys, so that a wrong one ends a release before minutes of work. Throws for a missing file, and for a key that is not ECDSA. */
export async function openKeys({ openssl, minisign }: Keys): Promise<OpenKeys> {
  for (const key of [openssl, minisign])
    if (key !== undefined && !existsSync(key)) throw new Error(`${key} is not there. Needed: the file of a key. Next: ls -l ${key}`);
  if (openssl === undefined) return { openssl, minisign, publicKey: undefined };
  const publicKey = asked(['openssl', 'pkey', '-in', openssl, '-pubout']);
  const { stdout: said } = await run(['openssl', 'pkey', '-pubin', '-noout', '-text'], { input: publicKey });
  if (!/^ASN1 OID: (?:prime256v1|secp384r1|secp521r1)$/m.test(said)) throw new Error(`${openssl} is no ECDSA key on P-256, P-384 or P-521`);
  return { openssl, minisign, publicKey };
}

/**
 * Signs a file with the keys that are given: FILE.sig by openssl (ECDSA over SHA-256), FILE.minisig by minisign. Gives the names of what was
 * written. A pass phrase is asked for on the terminal. Throws for a signature that its own key does not verify.
 */
export async function sign(file: string, { openssl, minisign, publicKey }: OpenKeys, comment: string): Promise<string[]> {
  const written: string[] = [];
  if (openssl !== undefined) {
    const out = `${file}.sig`;
    asked(['openssl', 'dgst', '-sha256', '-sign', openssl, '-out', out, file]);
    await verify(file, out, publicKey!);
    written.push(out);
  }
  if (minisign !== undefined) {
    const out = `${file}.minisig`;
    asked(['minisign', '-S', '-s', minisign, '-m', file, '-x', out, '-t', comment]);
    written.push(out);
  }
  return written;
}

async function verify(file: string, signature: string, publicKey: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-key-'));
  try {
    writeFileSync(join(folder, 'key.pub'), publicKey);
    await run(['openssl', 'dgst', '-sha256', '-verify', join(folder, 'key.pub'), '-signature', signature, file]);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** Runs a program that may ask for a pass phrase, so with the terminal of this process. Gives what it printed. */
function asked(argv: [string, ...string[]]): string {
  const [program, ...rest] = argv;
  const { status, stdout, error } = spawnSync(program, rest, { stdio: ['inherit', 'pipe', 'inherit'], encoding: 'utf8' });
  if (status !== 0) throw new Error(`${argv.join(' ')}: ${error?.message ?? `exit ${status}`}`);
  return stdout;
}
