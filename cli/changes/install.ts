import { stat } from 'node:fs/promises';
import { posix } from 'node:path';
import { chooseBackend } from '../backends/index.ts';
import { digestOfSource } from '../bundle/index.ts';
import { KataError } from '../errors/index.ts';
import { type HostFacts, readFacts } from '../facts/index.ts';
import type { Digest, HostView } from '../host/index.ts';
import { handlerRow } from '../layout/index.ts';
import {
  activeGeneration,
  drawGeneration,
  type Generation,
  type GenerationManifest,
  isIntact,
  lastNumber,
  makeGeneration,
  nextId,
  readPayload,
  type Staged,
  stagePayload,
} from '../store/index.ts';
import { openEntries } from '../transaction/index.ts';
import { carryOut, receipt, rehearse } from './carryOut.ts';
import { command } from './command.ts';
import { type Found, findEngine, refuse } from './engine.ts';
import { hostFindings } from './refusals.ts';
import { underLock } from './session.ts';
import { planSwitch, type Switch } from './switch.ts';
import type { Answer, Context, InstallRequest } from './types.ts';

/** Turns a release into a generation of this host and makes it the active one. A repeated install writes nothing. */
export function install(context: Context, request: InstallRequest): Promise<Answer> {
  return underLock(context, 'install', request, () => installLocked(context, request));
}

async function installLocked(context: Context, request: InstallRequest): Promise<Answer> {
  const { host } = context;
  const started = host.now();
  const facts = await readFacts(host);
  const from = await activeGeneration(host);
  const backend = await chooseBackend(host, facts, request.backend, from?.manifest.backend);
  refuse(await hostFindings(host, facts, backend), request.allow);
  const found = await findEngine(host, request.engine, from?.record.wiring?.engine);
  const id = await nextId(host, await openEntries(host));
  const common = { context, request, found, id, started, facts, ...(from === undefined ? {} : { from }) };
  if (from !== undefined && from.manifest.backend === backend.name && (await sameAs(host, from, request)))
    return repeat({ ...common, from });
  const staged = await stage(context, request, facts, backend.root(facts), wantedHandlers(request, from));
  try {
    return await upgrade(common, staged, backend.name, backend.home(staged.manifest.folder));
  } finally {
    // The change is decided by now: what stays of the staging folder is rubbish, and tidy removes it.
    await staged.discard().catch(() => undefined);
  }
}

interface Common {
  context: Context;
  request: InstallRequest;
  found: Found;
  id: number;
  started: Date;
  facts: HostFacts;
  from?: Generation;
}

/** The same bundle and handlers as what is active: nothing to do, unless the host drifted from it. */
async function repeat(common: Common & { from: Generation }): Promise<Answer> {
  const { context, request, found, id, started, from } = common;
  const to = from.manifest;
  const planned = await planSwitch(context.host, { verb: 'install', id, found, from, to, bytesWritten: 0, options: request });
  if (request.dryRun) return { kind: 'Plan', plan: planned.plan };
  const carry = { id, verb: 'install', found, planned, from: to.number, to, made: false, started, afterwards: nothingAfterwards };
  if (planned.steps.length === 0) return { kind: 'Change', change: receipt(context, carry, undefined) };
  await rehearse(context, found, planned);
  const records = [
    {
      number: to.number,
      state: context.host.live ? ('active' as const) : ('staged' as const),
      ...(planned.wiring.wiring === undefined ? {} : { wiring: planned.wiring.wiring }),
      edited: planned.edited,
    },
  ];
  const outcome = await carryOut(context, { ...carry, afterwards: { ...nothingAfterwards, records } });
  return { kind: 'Change', change: receipt(context, carry, outcome) };
}

async function upgrade(common: Common, staged: Staged, backend: string, home: string): Promise<Answer> {
  const { context, request, found, id, started, from } = common;
  const { host } = context;
  const payload = staged.manifest;
  const number = (await lastNumber(host)) + 1;
  const drawn = await drawGeneration({
    payload,
    home,
    backend,
    number,
    program: context.program,
    created: started.toISOString(),
    readText: async (path) => (await host.readFile(`${staged.tree}/${path}`)).toString(),
  });
  const to = drawn.manifest;
  refuseFamilyChange(from, to);
  const bytesWritten = staged.known ? 0 : payload.sizeBytes;
  const planned = await planSwitch(host, {
    verb: 'install',
    id,
    found,
    to,
    bytesWritten,
    options: request,
    ...(from === undefined ? {} : { from }),
  });
  if (request.dryRun) return { kind: 'Plan', plan: planned.plan };
  await rehearse(context, found, planned);
  await staged.seal();
  await makeGeneration(host, to, drawn.configurations);
  const fromNumber = from?.manifest.number;
  const carry = {
    id,
    verb: 'install',
    found,
    planned,
    to,
    made: true,
    started,
    ...(fromNumber === undefined ? {} : { from: fromNumber }),
    afterwards: { ...nothingAfterwards, records: switchRecords(fromNumber, number, planned, host.live, started) },
  };
  const outcome = await carryOut(context, carry);
  const undoCommand = command(host, fromNumber === undefined ? 'uninstall' : 'rollback');
  return { kind: 'Change', change: { ...receipt(context, carry, outcome), savedBytes: payload.savedBytes, undoCommand } };
}

const nothingAfterwards = { records: [], dropGenerations: [], dropPayloads: [], purge: false };

/** The records after a switch. Offline nothing has been proven: the generation stays 'staged' until a boot proves it. */
export function switchRecords(from: number | undefined, to: number, { edited, wiring: { wiring } }: Switch, live: boolean, at: Date) {
  const next = {
    number: to,
    state: live ? ('active' as const) : ('staged' as const),
    activated: at.toISOString(),
    ...(from === undefined || from === to ? {} : { previous: from }),
    ...(wiring === undefined ? {} : { wiring }),
    edited,
  };
  return from === undefined || from === to ? [next] : [{ number: from, state: 'retired' as const }, next];
}

async function stage(
  context: Context,
  request: InstallRequest,
  facts: HostFacts,
  root: string,
  handlers: string[] | undefined,
): Promise<Staged> {
  const { host, emit, signal } = context;
  if (!facts.architecture.known) throw new Error('hostFindings refuses an unknown architecture');
  await refuseFullDisk(context, request, root);
  return stagePayload(host, {
    sources: request.sources,
    digests: request.digests,
    handlers,
    architecture: facts.architecture.value,
    root,
    emit,
    signal,
  });
}

/** The archives themselves are a lower bound of what must fit. */
async function refuseFullDisk({ host }: Context, request: InstallRequest, root: string): Promise<void> {
  const sizes = await Promise.all(request.sources.map(async (path) => (await stat(path).catch(() => undefined))?.size ?? 0));
  const needed = sizes.reduce((sum, size) => sum + size, 0);
  const free = await host.freeBytes(root);
  if (free >= needed) return;
  throw new KataError('host-space', {
    subject: root,
    found: `${free} bytes free for ${root}`,
    needed: `at least ${needed} bytes`,
    next: `free some: kata-sysext gc; df -h ${posix.dirname(root)}`,
  });
}

function wantedHandlers(request: InstallRequest, from: Generation | undefined): string[] | undefined {
  if (request.handlers.length > 0) return request.handlers.map((name) => handlerRow(name).name);
  return from?.manifest.handlers.map((handler) => handler.release);
}

/** With all digests named it costs no reading, and only the shape of the installed files is looked at. */
async function sameAs(host: HostView, from: Generation, request: InstallRequest): Promise<boolean> {
  const installed = from.manifest.handlers.map((handler) => handler.release).sort();
  const wanted = request.handlers.map((name) => handlerRow(name).name).sort();
  if (wanted.length > 0 && wanted.join() !== installed.join()) return false;
  if (from.manifest.sources.length !== request.sources.length) return false;
  for (const [index, source] of from.manifest.sources.entries()) {
    // A digest that the user names is checked when the bytes are read; here it only says which release is meant.
    const path = request.sources[index]!;
    if ((await stat(path).catch(() => undefined)) === undefined) throw missing(path);
    const digest: Digest = request.digests[index] ?? (await digestOfSource(path));
    if (digest !== source.digest) return false;
  }
  const payload = await readPayload(host, from.manifest.payload);
  const named = request.sources.every((_, index) => request.digests[index] !== undefined);
  return payload !== undefined && isIntact(host, payload, named ? 'shape' : 'bytes');
}

/** A wrong path is a mistake even where nothing would be read from it. */
function missing(path: string): KataError {
  return new KataError('bundle-missing', {
    subject: path,
    found: `${path} is not there or cannot be read`,
    needed: 'the bundle',
    next: `look for it: ls -l ${posix.dirname(path)}`,
  });
}

/** A handler never changes its shim family silently: Go and Rust read different configuration. */
function refuseFamilyChange(from: Generation | undefined, to: GenerationManifest): void {
  for (const before of from?.manifest.handlers ?? []) {
    const after = to.handlers.find((handler) => handler.name === before.name);
    if (after === undefined || after.family === before.family) continue;
    throw new KataError('bundle-lacks-handler', {
      subject: before.name,
      found: `${before.name} is a ${before.family} shim now and a ${after.family} shim in the bundle`,
      needed: `the same family`,
      next: `uninstall first, or choose another handler with --handler`,
    });
  }
}
