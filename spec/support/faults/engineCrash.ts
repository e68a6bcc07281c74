import { spawnSync } from 'node:child_process';
import { existsSync, lstatSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import toml from '@iarna/toml';
import { rendered } from '../rancher.ts';
import { type EngineHost, prepareEngineHost } from '../trees/engineHosts.ts';
import { put } from '../trees/hostTrees.ts';
import { releases, scratch, type TreeHost, treeHost } from '../trees/treeHost.ts';
import { judged, pointsOf, type Scenario } from './crash.ts';

/** Install, upgrade, rollback and uninstall on one host, each from where the one before it ended. */
export async function roundOf(row: EngineHost): Promise<{ pristine: string[]; scenarios: Scenario[]; remove(): void }> {
  const { first, second } = await releases();
  const steps: [string, string[]][] = [
    ['install', ['install', first]],
    ['upgrade', ['install', second]],
    ['rollback', ['rollback']],
    ['uninstall', ['uninstall', '--purge']],
  ];
  const scenarios: Scenario[] = [];
  let base = treeHost(row.tree, (root) => prepareEngineHost(root, row), { engine: row.engine });
  const trees = [base];
  const pristine = judged(base);
  for (const [name, args] of steps) {
    const next = base.copy();
    trees.push(next);
    const points = await pointsOf(next, args);
    scenarios.push({ name, args, base, old: judged(base), new: judged(next), points });
    base = next;
  }
  return {
    pristine,
    scenarios,
    remove: () => {
      for (const tree of trees) tree.remove();
    },
  };
}

/**
 * What is wrong at this very moment, were the program deleted and the host booted: a file that an engine reads leads to what is not there, or
 * the program that renders at a start makes something of its inputs that no containerd takes.
 */
export function startable(host: TreeHost): string[] {
  const pointed = existsSync(host.path('etc/kata-sysext')) && lstatSync(host.path('etc/kata-sysext/current'), { throwIfNoEntry: false });
  const naming = ['etc', 'var/lib/rancher']
    .flatMap((folder) => filesBelow(host.path(folder)))
    .filter((path) => !path.includes('/kata-sysext/'));
  const lost = pointed ? [] : naming.filter((path) => readFileSync(path, 'latin1').includes('/etc/kata-sysext/current'));
  return [
    ...lost.map((path) => `${path} names files that are not there`),
    ...rootProblems(host),
    ...templateProblems(host),
    ...startK0s(host),
  ];
}

function filesBelow(path: string): string[] {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat?.isDirectory() === true) return readdirSync(path).flatMap((name) => filesBelow(join(path, name)));
  return stat?.isFile() === true ? [path] : [];
}

/** containerd does not start with a main file that is missing, or that imports no vendor's file. */
function rootProblems(host: TreeHost): string[] {
  const dropIn = host.path('etc/systemd/system/containerd.service.d/zz-kata-sysext.conf');
  if (!existsSync(dropIn)) return [];
  const file = host.path('etc/containerd/kata-sysext-root.toml');
  return existsSync(file) && readFileSync(file, 'utf8').includes('/usr/share/containerd/')
    ? []
    : ['the unit names a main file that is not there'];
}

/** k3s and RKE2 render a template at each start. */
function templateProblems(host: TreeHost): string[] {
  return ['k3s', 'rke2'].flatMap((program) => {
    const folder = host.path(`var/lib/rancher/${program}/agent/etc/containerd`);
    if (!existsSync(join(folder, 'config.toml'))) return [];
    const base = readFileSync(join(folder, 'config.toml'), 'utf8');
    const templates = readdirSync(folder).filter((name) => name.endsWith('.tmpl') && !name.includes('v3'));
    return templates.flatMap((name) => {
      const text = rendered(readFileSync(join(folder, name), 'utf8'), base);
      try {
        return JSON.stringify(toml.parse(text)).includes('"runc"') ? [] : [`${name} renders no runc`];
      } catch {
        return [`${name} renders no TOML`];
      }
    });
  });
}

/** A start of k0s runs the script that chooses a text; it must bring back nothing that a change has removed, or has yet to bring. */
function startK0s(host: TreeHost): string[] {
  const unit = host.path('etc/systemd/system/k0sworker.service.d/zz-kata-sysext.conf');
  const script = host.path('etc/k0s/kata-sysext/choose.sh');
  if (!existsSync(unit) || !existsSync(script)) return [];
  const folder = scratch('k0s');
  put(folder, 'k0s', '#!/bin/sh\necho v1.34.1+k0s.0\n', 0o755);
  const text = readFileSync(script, 'utf8')
    .replaceAll('/etc/k0s', host.path('etc/k0s'))
    .replaceAll('/usr/local/bin/k0s', join(folder, 'k0s'));
  const ran = spawnSync('/bin/sh', ['-c', text], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  return ran.status === 0 ? [] : [`the script before k0s ended with ${ran.status}: ${ran.stderr}`];
}
