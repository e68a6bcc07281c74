import { spawn } from 'node:child_process';
import { readlinkSync } from 'node:fs';
import { run } from '../run.ts';
import { ADDRESS, SERVICE } from './certificates.ts';
import { endProcess } from './daemon.ts';

/** A network namespace without a name: a process holds it, and it ends with that one, which ends with this process. */
export interface Network {
  pid: number;
  /** As nspawn takes it. */
  path: string;
  /** The command line that runs a program there. */
  command(argv: readonly string[]): string[];
  stop(): Promise<void>;
}

/** The network of the control plane: a bridge for the nodes, and the address of the service `kubernetes` on its loopback. */
export async function bridgeNetwork(): Promise<Network> {
  const network = await makeNetwork();
  await ip(network, 'addr', 'add', `${SERVICE}/32`, 'dev', 'lo');
  await ip(network, 'link', 'add', 'br0', 'type', 'bridge');
  await ip(network, 'addr', 'add', `${ADDRESS}/16`, 'dev', 'br0');
  await ip(network, 'link', 'set', 'br0', 'up');
  await forward(network);
  return network;
}

export function addressOf(number: number): string {
  return `10.77.1.${number}`;
}

/** Of the pods of node `number`. */
export function podsOf(number: number): string {
  return `10.244.${number}.0/24`;
}

/** The network of a node: its `eth0` is a port of the bridge. Node and bridge know the way to each other's pods. */
export async function nodeNetwork(bridge: Network, number: number): Promise<Network> {
  const network = await makeNetwork();
  const port = `node${number}`;
  await ip(bridge, 'link', 'add', port, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', String(network.pid));
  await ip(bridge, 'link', 'set', port, 'master', 'br0', 'up');
  await ip(network, 'addr', 'add', `${addressOf(number)}/16`, 'dev', 'eth0');
  await ip(network, 'link', 'set', 'eth0', 'up');
  await ip(network, 'route', 'add', 'default', 'via', ADDRESS);
  await ip(bridge, 'route', 'add', podsOf(number), 'via', addressOf(number));
  await forward(network);
  return network;
}

async function makeNetwork(): Promise<Network> {
  const argv = ['--pdeathsig', 'KILL', 'unshare', '--net', 'sleep', 'infinity'];
  const holder = spawn('setpriv', argv, { stdio: 'ignore', detached: true });
  holder.unref();
  const pid = holder.pid ?? 0;
  const path = `/proc/${pid}/ns/net`;
  const own = readlinkSync('/proc/self/ns/net');
  for (const deadline = Date.now() + 60_000; linkOf(path) === own; await new Promise((resolve) => setTimeout(resolve, 10)))
    if (Date.now() > deadline) throw new Error('a network namespace cannot be made');
  const network: Network = {
    pid,
    path,
    command: (argv) => ['nsenter', '-t', String(pid), '-n', '--', ...argv],
    stop: () => endProcess(holder),
  };
  await ip(network, 'link', 'set', 'lo', 'up');
  return network;
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    throw new Error('the process that holds a network namespace has ended');
  }
}

async function ip(network: Network, ...args: string[]): Promise<void> {
  await run(network.command(['ip', ...args]));
}

/** From outside: /proc/sys is read-only on a lab host, and the CNI plugin wants to find this set. */
async function forward(network: Network): Promise<void> {
  await run(network.command(['sh', '-c', 'echo 1 > /proc/sys/net/ipv4/ip_forward']));
}
