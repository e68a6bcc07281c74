import { engineNamed } from '../../engines/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import type { Generation } from '../../store/index.ts';
import { type Found, findEngine } from '../refusing/engine.ts';

/** Engines that read a drop-in only where their main file names it. */
const mainFirst = ['containerd'];

/**
 * The engine that a generation is wired for, by what was recorded when it was: nothing else is looked for, as an edit of another file is an
 * edit of what was never ours. `configPath` is what it reads now. Throws `engine-missing` where its unit or its binary is gone.
 */
export async function wiredEngine(host: HostView, { manifest, record: { wiring } }: Generation): Promise<Found> {
  if (wiring === undefined) return findEngine(host, undefined);
  const engine = engineNamed(wiring.engine);
  const instance = await engine?.wired(host, wiring);
  if (engine !== undefined && instance !== undefined) return { engine, instance };
  throw new KataError('engine-missing', {
    subject: wiring.unit ?? wiring.engine,
    found: `${wiring.unit ?? wiring.engine}, which generation ${manifest.number} is wired for, or its program is not on this system`,
    needed: 'the engine that was there when it was wired',
    next: 'uninstall and install again, if another engine has taken its place: kata-sysext uninstall',
  });
}

/** In a sentence, why the engine does not read the files that a generation is wired in; undefined when it does. */
export async function readsOther(host: HostView, { engine, instance }: Found, generation: Generation): Promise<string | undefined> {
  const { manifest, record } = generation;
  const { wiring } = record;
  if (wiring === undefined) return `how generation ${manifest.number} is wired is not known`;
  const { configPath, marks } = wiring;
  if (instance.configPath !== configPath)
    return `${engine.name} reads ${instance.configPath} now; generation ${manifest.number} is wired for ${configPath}`;
  const whole = marks.some(({ kind, path }) => kind === 'file' && path === configPath);
  const main = mainFirst.includes(engine.name) && marks.length > 0 && !whole ? [configPath] : [];
  for (const path of [...main, ...marks.flatMap((mark) => (mark.kind === 'range' ? [mark.path] : []))])
    if ((await host.stat(path)) === undefined) return `${path}, which generation ${manifest.number} is wired in, is gone`;
  return undefined;
}
