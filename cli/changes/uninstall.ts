import type { Finding } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import {
  activeGeneration,
  etcFolder,
  filesBelow,
  fragmentsFolder,
  historyFolder,
  nextId,
  readGenerations,
  strangers,
} from '../store/index.ts';
import { openEntries } from '../transaction/index.ts';
import { carryOut, receipt, rehearse } from './carryOut.ts';
import { command } from './command.ts';
import { findEngine } from './engine.ts';
import { underLock } from './session.ts';
import { planSwitch } from './switch.ts';
import type { Answer, ChangeOptions, ChangeResult, Context } from './types.ts';

export interface UninstallRequest extends ChangeOptions {
  /** Also the history. */
  purge: boolean;
}

/** Takes Kata off the host: wiring first, files last. Refuses while sandboxes of our handlers run. */
export function uninstall(context: Context, request: UninstallRequest): Promise<Answer> {
  return underLock(context, 'uninstall', request, () => uninstallLocked(context, request));
}

async function uninstallLocked(context: Context, request: UninstallRequest): Promise<Answer> {
  const { host } = context;
  const started = host.now();
  const from = await activeGeneration(host);
  const all = await readGenerations(host);
  const id = await nextId(host, await openEntries(host));
  const afterwards = {
    records: [],
    dropGenerations: all.map((generation) => generation.manifest.number),
    dropPayloads: [...new Set(all.map((generation) => generation.manifest.payload))],
    purge: request.purge,
  };
  const base = { id, verb: 'uninstall', made: false, started, afterwards };
  if (from === undefined) {
    const leftovers = all.length > 0 || (request.purge && (await host.readdir(historyFolder)).length > 0);
    const outcome = leftovers && !request.dryRun ? await carryOut(context, base) : undefined;
    return { kind: 'Change', change: await withStrangers(host, receipt(context, base, outcome)) };
  }
  const found = await findEngine(host, request.engine, from?.record.wiring?.engine);
  const names = from.manifest.handlers.map((handler) => handler.name);
  const planned = await planSwitch(host, { verb: 'uninstall', id, found, from, bytesWritten: 0, options: request });
  if (request.dryRun) return { kind: 'Plan', plan: planned.plan };
  await rehearse(context, found, planned);
  const carry = { ...base, found, planned, from: from.manifest.number };
  const outcome = await carryOut(context, carry);
  const sources = from.manifest.sources.map((source) => source.name).join(' ');
  return {
    kind: 'Change',
    change: {
      ...(await withStrangers(host, receipt(context, carry, outcome))),
      handlers: names,
      undoCommand: command(host, `install ${sources}${names.map((name) => ` --handler ${name}`).join('')}`),
    },
  };
}

/** What others put into our folders stays, and is told; so are the administrator's own settings for our handlers. */
async function withStrangers(host: HostView, change: ChangeResult): Promise<ChangeResult> {
  const row =
    (level: Finding['level'], what: string) =>
    (path: string): Finding => {
      const found = `${path} is ${what}; it stays`;
      return { code: 'foreign-file', level, subject: path, found, needed: 'nothing', next: `remove it if nobody needs it: rm ${path}` };
    };
  const inOurs = (await strangers(host, [etcFolder])).map(row('warning', 'no file of kata-sysext'));
  const fragments = (await filesBelow(host, fragmentsFolder)).map(row('info', 'a setting of the administrator'));
  return { ...change, findings: [...change.findings, ...inOurs, ...fragments] };
}
