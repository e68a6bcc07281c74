import { dirname, resolve } from 'node:path';
import type { KubeConfig } from '@kubernetes/client-node/dist/config.js';
import { unfit } from './complaints.ts';

/** A user of a kubeconfig, with what the library leaves out. */
export interface User {
  name: string;
  exec?: { command?: unknown } | null;
  token?: string | undefined;
  /** A real path. */
  tokenFile?: string | undefined;
}

/**
 * Reads the text of one file into `config`. Its relative paths count from its own folder, as kubectl has it (client-go, clientcmd/loader.go,
 * ResolveLocalPaths): those of certificates, keys and tokens, and a command with a slash in it. Throws `kubeconfig-unfit`.
 */
export async function parsed(config: KubeConfig, path: string, text: string): Promise<KubeConfig> {
  const folder = dirname(path);
  try {
    config.loadFromString(text);
    config.makePathsAbsolute(folder);
  } catch (error) {
    // The message of the reader quotes the text, which has secrets.
    const mark = error instanceof Error && 'mark' in error ? (error.mark as { line?: unknown } | undefined) : undefined;
    const line = typeof mark?.line === 'number' ? ` at line ${mark.line + 1}` : '';
    throw unfit(path, `${path} is no kubeconfig${line}`);
  }
  const tokenFiles = text.includes('tokenFile') ? await tokenFilesIn(path, text) : new Map<unknown, unknown>();
  for (const user of config.users as User[]) {
    const tokenFile = tokenFiles.get(user.name);
    if (typeof tokenFile === 'string' && tokenFile !== '') user.tokenFile = resolve(folder, tokenFile);
    const { exec } = user;
    if (typeof exec?.command === 'string' && exec.command.includes('/')) exec.command = resolve(folder, exec.command);
  }
  return config;
}

/** By the name of the user: the library knows tokens, but not this key of kubectl. Of two users of one name the library takes the first. */
async function tokenFilesIn(path: string, text: string): Promise<Map<unknown, unknown>> {
  const { parseYaml } = await import('../facts/yaml.ts');
  const entryOf = (value: unknown, key: string): unknown => (value instanceof Map ? value.get(key) : undefined);
  let users: unknown;
  try {
    users = entryOf(parseYaml(text, { aliases: true }), 'users');
  } catch (error) {
    throw unfit(path, `${path} is no kubeconfig: ${(error as Error).message}`);
  }
  const each = Array.isArray(users) ? users : [];
  return new Map(each.map((user): [unknown, unknown] => [entryOf(user, 'name'), entryOf(entryOf(user, 'user'), 'tokenFile')]).reverse());
}

/** What the earlier file has counts: a name in both is the earlier file's alone, with nothing of the later one in it. */
export function mergeInto(earlier: KubeConfig, later: KubeConfig): void {
  if (!isNamed(earlier.currentContext)) earlier.currentContext = later.currentContext;
  addNew(earlier.clusters, later.clusters);
  addNew(earlier.users, later.users);
  addNew(earlier.contexts, later.contexts);
}

/** The library's types say a text, and files may have none. */
function isNamed(context: string | null | undefined): boolean {
  return context !== undefined && context !== null && context !== '';
}

function addNew<T extends { readonly name: string }>(earlier: T[], later: T[]): void {
  const names = new Set(earlier.map(({ name }) => name));
  earlier.push(...later.filter(({ name }) => !names.has(name)));
}
