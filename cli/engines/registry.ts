import { AsyncLocalStorage } from 'node:async_hooks';
import { aks } from './aks/index.ts';
import { bottlerocket } from './bottlerocket/index.ts';
import { containerd } from './containerd/index.ts';
import type { Engine, EnginePlugin } from './contract.ts';
import { cos } from './cos/index.ts';
import { crio } from './crio/index.ts';
import { docker } from './docker/index.ts';
import { k0s } from './k0s/index.ts';
import { k3s } from './k3s/index.ts';
import { microk8s } from './microk8s/index.ts';
import { nodeadm } from './nodeadm/index.ts';
import { podman } from './podman/index.ts';
import { rke2 } from './rke2/index.ts';
import { talos } from './talos/index.ts';

/** An engine or renderer is a folder and a row, in the order in which hosts are searched for them. */
const rows: readonly EnginePlugin[] = [containerd, crio, docker, k3s, rke2, k0s, microk8s, nodeadm, aks, cos, bottlerocket, talos, podman];

/** Rows that a caller brings, for as long as its work runs. Under a symbol of the process: specs load this file twice, as two modules. */
const key = Symbol.for('kata-sysext.engines');
const shared = globalThis as { [key]?: AsyncLocalStorage<readonly EnginePlugin[]> };
shared[key] ??= new AsyncLocalStorage();
const registry = shared[key];

/** Everything that is known, whether it is wired or refused. */
export function enginePlugins(): readonly EnginePlugin[] {
  return registry.getStore() ?? rows;
}

/** Every engine that can be wired. */
export function engines(): Engine[] {
  return enginePlugins().filter((row) => row.kind === 'engine');
}

/** Runs `work`, and all that it starts, with these rows after the program's own. */
export function withEngines<T>(more: readonly EnginePlugin[], work: () => T): T {
  return registry.run([...enginePlugins(), ...more], work);
}

/** The engine of that name (`--engine NAME[@VERSION]`, a recorded wiring), or undefined. */
export function engineNamed(name: string): Engine | undefined {
  return engines().find((engine) => engine.name === name);
}

/** Names of the units of the engines that can be wired, for `Before=` and `After=` of a unit. */
export function engineUnits(): string {
  return engines()
    .flatMap(({ units }) => units)
    .join(' ');
}

/** Of everything that is known: what runs a node's pods, whoever started it. */
export function allUnits(): string {
  return enginePlugins()
    .flatMap(({ units }) => units)
    .join(' ');
}

/** Names of the units that the boot guard waits for before it looks at a wiring. */
export function preparingUnits(): string {
  return engines()
    .flatMap(({ preparedBy = [] }) => preparedBy)
    .join(' ');
}

/** 'containerd crio': the wired engines' units as systemctl takes them. */
export function unitNames(): string[] {
  return engines().flatMap(({ units }) => units.map((unit) => unit.replace(/\.service$/, '')));
}
