import assert from 'node:assert/strict';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import toml from '@iarna/toml';
import { FIRST, SECOND, tinyRelease } from '../../lab/release/index.ts';
import { differences } from '../judges/fingerprint.ts';
import { scratch, story, type TreeHost } from '../trees/treeHost.ts';

export const rust = 'kata-qemu-runtime-rs';
export const go = 'kata-qemu';
export const config = 'etc/containerd/config.toml';
export const oldPlugin = 'io.containerd.grpc.v1.cri';

/** kata-static and kata-go-static of two releases. */
export interface Both {
  first: [string, string];
  second: [string, string];
  remove(): void;
}

export async function bothReleases(): Promise<Both> {
  const folder = scratch('both');
  const pair = async (version: string): Promise<[string, string]> => [
    await tinyRelease(folder, { version }),
    await tinyRelease(folder, { version, archive: 'go' }),
  ];
  return { first: await pair(FIRST), second: await pair(SECOND), remove: () => rmSync(folder, { recursive: true }) };
}

/** Name → configuration, as the engine's own file says it; read by a TOML library, not by our editor. */
export function offered(host: TreeHost): Record<string, string> {
  const document = toml.parse(readFileSync(host.path(config), 'utf8')) as unknown as {
    plugins: Record<string, { containerd: { runtimes: Record<string, { options?: { ConfigPath?: string } }> } }>;
  };
  const runtimes = Object.entries(document.plugins[oldPlugin]!.containerd.runtimes);
  return Object.fromEntries(
    runtimes.flatMap(([name, { options }]) => (options?.ConfigPath === undefined ? [] : [[name, options.ConfigPath]])),
  );
}

export function configurationOf(name: string): string {
  return `/etc/kata-sysext/current/config/${name}/configuration.toml`;
}

/** Refused with this status and code, and not a byte of the tree is another; staging is gone. */
export async function refused(host: TreeHost, args: string[], status: number, code: string): Promise<Record<string, unknown>> {
  const before = host.fingerprint(story);
  const error = await host.json(args, status);
  assert.equal(error['code'], code, JSON.stringify(error));
  assert.deepEqual(differences(before, host.fingerprint(story)), []);
  for (const folder of ['var/lib/kata-sysext', 'usr/local/libexec/kata-sysext']) assert.ok(!existsSync(host.path(`${folder}/staging`)));
  return error;
}

/** The commands of an error's `next`, each with its arguments, exactly as they are printed. */
export function printed(error: Record<string, unknown>): string[][] {
  return [...String(error['next']).matchAll(/kata-sysext ((?:install|uninstall) [^;]*)/g)].map((match) => match[1]!.trim().split(' '));
}

/** Handlers and aliases of the active generation. */
export async function handlersNow(host: TreeHost): Promise<{ handlers: string[]; aliases: string[] }> {
  const { generations } = (await host.json(['status'])) as unknown as {
    generations: { active: boolean; handlers: string[]; aliases: { name: string; handler: string }[] }[];
  };
  const { handlers, aliases } = generations.find((one) => one.active)!;
  return { handlers: [...handlers].sort(), aliases: aliases.map(({ name, handler }) => `${name} → ${handler}`) };
}
