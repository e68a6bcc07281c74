import { readJsonText, runsOf, withoutRange } from '../../documents/jsonFile/index.ts';
import { commandWord } from '../../errors/index.ts';
import { byBytes } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { unsupported } from '../common/unsupported.ts';
import type { ForeignWiring, Instance, Mark } from '../types.ts';
import { facts } from './facts.ts';
import { leadsTo, runtimesIn, tableOf } from './runtimes.ts';
import { textOf } from './seen.ts';

/** See `Engine.findForeignWiring`: handlers one after the other are one mark. */
export async function findForeignDocker(host: HostView, instance: Instance, shim: HostPath): Promise<ForeignWiring> {
  const path = await host.realpath(instance.configPath);
  const text = await textOf(host, path);
  const root = text === undefined ? undefined : readJsonText(text, path);
  const runtimes = runtimesIn(root);
  if (text === undefined || runtimes === undefined) return { marks: [], handlers: [] };
  const handlers = Object.entries(tableOf(root)).flatMap(([name, runtime]) => (leadsTo(runtime, shim) ? [name] : []));
  const marks = runsOf(runtimes, handlers).map(({ from, to }): Mark => ({ path, kind: 'range', text: text.slice(from, to) }));
  if (handlers.length > 0 && marks.every((mark) => withoutRange(text, mark.text, path) !== undefined))
    return { marks, handlers: handlers.sort(byBytes) };
  if (handlers.length === 0) return { marks: [], handlers: [] };
  throw unsupported(
    path,
    `${path} has the handlers ${handlers.join(', ')} in a form that cannot be taken out by its exact text.`,
    'Each handler once.',
    `Write each in lines of its own in ${path}, then${instance.process === undefined ? ' run the command again' : `: systemctl reload ${commandWord(instance.unit ?? facts.units[0]!)}`}`,
  );
}
