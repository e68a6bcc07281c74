import { homedir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import type { Access } from '../cluster/api.ts';
import { commandWord, errnoOf, KataError } from '../errors/index.ts';
import { ownershipFault, readOwned } from '../host/regular.ts';
import { unfit, wordsOf } from './complaints.ts';
import { accessOf } from './credentials.ts';
import { mergeInto, parsed } from './kubeconfigFile.ts';

interface Place {
  /** --kubeconfig */
  named: string | undefined;
  env: Readonly<Record<string, string | undefined>>;
  cwd: string;
}

const credentialsMs = 60_000;

/**
 * How the cluster of the current context is reached, as kubectl finds it: --kubeconfig, else the files of KUBECONFIG, else ~/.kube/config.
 * Of several files the first one that has a name or a current context counts. Certificates and credential plugins are the library's part.
 * `waitMs`: for a plugin, which may wait for a person. Throws `kubeconfig-unfit`.
 */
export async function kubeconfigAccess(place: Place, signal?: AbortSignal, waitMs: number = credentialsMs): Promise<Access> {
  // Deep: the rest of the library is clients of every API of Kubernetes, of which nothing is needed.
  const { KubeConfig: Config } = await import('@kubernetes/client-node/dist/config.js');
  const paths = pathsOf(place);
  const isAlone = place.named !== undefined || paths.length === 1;
  let all: KubeConfig | undefined;
  for (const path of paths) {
    const text = await readOwn(path);
    if (text === undefined && isAlone) throw unfit(path, `${path} is not there`);
    // kubectl leaves out a file of KUBECONFIG that is missing or empty.
    if (text === undefined || (!isAlone && text.trim() === '')) continue;
    const one = await parsed(new Config(), path, text);
    if (all === undefined) all = one;
    else mergeInto(all, one);
  }
  if (all === undefined) throw unfit('KUBECONFIG', 'the files that KUBECONFIG names are missing or empty');
  return accessOf(all, { path: paths.join(delimiter), signal, waitMs });
}

function pathsOf({ named, env, cwd }: Place): string[] {
  if (named !== undefined) return [resolve(cwd, named)];
  const listed = (env['KUBECONFIG'] ?? '').split(delimiter).filter((path) => path !== '');
  return listed.length > 0 ? listed.map((path) => resolve(cwd, path)) : [join(env['HOME'] ?? homedir(), '.kube/config')];
}

/**
 * A kubeconfig says which programs are run and which files are sent to which server, all with the rights of the one who uses it. So it has
 * to be that user's own, or root's.
 */
async function readOwn(path: string): Promise<string | undefined> {
  try {
    return (await readOwned(path, 'configuration', 'change')).toString();
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes(errnoOf(error) ?? '')) return undefined;
    if (!(error instanceof KataError)) throw unfit(path, `${path} cannot be read (${errnoOf(error) ?? wordsOf(error)})`);
    const { found, needed, next } = error.complaint;
    const fault = ownershipFault(error);
    throw new KataError('kubeconfig-unfit', {
      subject: path,
      found,
      needed: fault === undefined ? needed : `${needed}: it may name programs to run and files to send`,
      next: fault === undefined ? next : `read it, and then: ${fault === 'mode' ? `chmod go-w ${commandWord(path)}` : flattening(path)}`,
    });
  }
}

/** A copy of the file would look for its certificates beside itself; kubectl puts these into it, but neither tokens nor programs. */
function flattening(path: string): string {
  const copy = `(umask 077; kubectl config view --kubeconfig ${commandWord(path)} --raw --flatten >~/kubeconfig)`;
  return `${copy}; kata-sysext status --fleet --kubeconfig ~/kubeconfig; a program and a tokenFile in it need absolute paths`;
}
