import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A key of minisign without a password, made by minisign. */
export function minisignKey(folder: string, name = 'key') {
  const [publicFile, secretFile] = [join(folder, `${name}.pub`), join(folder, `${name}.sec`)];
  execFileSync('minisign', ['-G', '-W', '-f', '-p', publicFile, '-s', secretFile], { stdio: ['ignore', 'pipe', 'pipe'] });
  return {
    publicFile,
    line: readFileSync(publicFile, 'utf8').split('\n')[1]!,
    /** Signs a file; gives the path of the signature. */
    sign(file: string, comment = 'a release', ...options: string[]): string {
      execFileSync('minisign', ['-S', ...options, '-s', secretFile, '-m', file, '-t', comment, '-x', `${file}.minisig`], {
        stdio: ['ignore', 'pipe', 'pipe'],
      });
      return `${file}.minisig`;
    },
    /** What minisign itself says. */
    accepts(file: string, signature: string): boolean {
      try {
        execFileSync('minisign', ['-V', '-p', publicFile, '-m', file, '-x', signature], { stdio: ['ignore', 'pipe', 'pipe'] });
        return true;
      } catch {
        return false;
      }
    },
  };
}

/** A key of openssl: `algorithm` as genpkey names it, with its options. */
export function opensslKey(folder: string, algorithm: string[], name = 'pem') {
  const [publicFile, secretFile] = [join(folder, `${name}.pub.pem`), join(folder, `${name}.pem`)];
  execFileSync('openssl', ['genpkey', ...algorithm, '-out', secretFile], { stdio: ['ignore', 'pipe', 'pipe'] });
  writeFileSync(publicFile, execFileSync('openssl', ['pkey', '-in', secretFile, '-pubout'], { stdio: ['ignore', 'pipe', 'pipe'] }));
  return {
    pem: readFileSync(publicFile, 'utf8'),
    sign(file: string): string {
      execFileSync('openssl', ['dgst', '-sha256', '-sign', secretFile, '-out', `${file}.sig`, file], { stdio: ['ignore', 'pipe', 'pipe'] });
      return `${file}.sig`;
    },
    accepts(file: string, signature: string): boolean {
      try {
        execFileSync('openssl', ['dgst', '-sha256', '-verify', publicFile, '-signature', signature, file], {
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        return true;
      } catch {
        return false;
      }
    },
  };
}

export const ecdsa = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
export const rsa = ['-algorithm', 'RSA', '-pkeyopt', 'rsa_keygen_bits:2048'];
