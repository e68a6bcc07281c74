import { chosenText } from '../../inspect/chosen.ts';
import { ownerText } from '../../inspect/owner.ts';
import { type GenerationLine, type Status, status } from '../../inspect/status.ts';
import { age, bytes, type Cell, command, tableLines } from '../../output/index.ts';
import { holderText } from '../../preflight/lockHeld.ts';
import { forHost } from '../advice.ts';
import type { Call, Reply } from '../types.ts';

export async function run({ context, options }: Call): Promise<Reply> {
  const { host } = context;
  const seen = await status(host);
  const changes = [
    ...(seen.change === undefined ? [] : [`! ${holderText(seen.change)} is running`]),
    ...seen.findings.map(({ found, next }) => `! ${found}: ${forHost(next, host)}`),
  ];
  if (!seen.installed && seen.generations.length === 0) {
    const next = changes.length > 0 ? '' : ` Next: ${command(host, 'check')}`;
    return { kind: 'Status', body: seen, text: [`Kata is not installed by kata-sysext on this host.${next}`, ...changes] };
  }
  const details = options['verbose'] === true ? seen.generations.flatMap(detailLines) : [];
  return {
    kind: 'Status',
    body: seen,
    text: [...generationTable(seen.generations, host.now()), ...details, ...hostLines(seen), ...changes],
  };
}

const heads = ['  GENERATION', 'STATE', 'RELEASE', 'HANDLERS', 'SETTINGS', 'AGE', 'SIZE', 'SANDBOXES', 'BACKEND', 'NOTES'];

/** A row for each generation: ● is active, ◦ is the one that rollback would make active. Handlers, and then aliases, have a line each. */
export function generationTable(generations: GenerationLine[], now: Date): string[] {
  return tableLines(
    heads,
    generations.map((each): Cell[] => [
      `${each.active ? '●' : each.previous ? '◦' : ' '} ${each.number}`,
      each.state,
      each.release,
      [...each.handlers, ...each.aliases.map(({ name, handler }) => `${name} → ${handler}`)],
      each.handlers.map((name) => settingsOf(each, name)),
      age(each.created, now),
      each.sizeBytes === undefined ? '?' : bytes(each.sizeBytes),
      String(each.sandboxes),
      each.format === 'directory' ? each.backend : `${each.backend}, ${each.format}`,
      notesOf(each).join(', '),
    ]),
  );
}

/** 'profile debug, 2 settings': -v shows which. */
function settingsOf({ configured }: GenerationLine, handler: string): string {
  const chosen = configured.find(({ name }) => name === handler);
  if (chosen === undefined) return '';
  const { profiles, settings } = chosen;
  const count = settings.length === 0 ? [] : [`${settings.length} ${settings.length === 1 ? 'setting' : 'settings'}`];
  return [...profiles.map((name) => `profile ${name}`), ...count].join(', ');
}

function notesOf({ active, state, pinned, owner }: GenerationLine): string[] {
  return [
    ...(pinned ? ['pinned'] : []),
    ...(owner === undefined ? [] : [`brought by ${ownerText(owner)}`]),
    ...(state === 'staged' && !active ? ['activate switches to it'] : []),
  ];
}

function detailLines({ number, created, configured, payload, sources }: GenerationLine): string[] {
  return [
    `generation ${number}:`,
    `  made:    ${created}`,
    ...sources.map(({ name, digest }) => `  source:  ${name} ${digest}`),
    `  payload: ${payload.digest}`,
    `           in ${payload.folder}`,
    ...configured.map((handler) => `  set:     ${handler.name}: ${chosenText(handler)}`),
  ];
}

function hostLines({ engine, deployments, programs }: Status): string[] {
  return [
    ...(engine === undefined || engine.files.length === 0
      ? []
      : [`wired into ${engine.name}: ${engine.files.join(', ')} (${engine.method})`]),
    ...deployments.map(({ deployment, generation }) => `generation ${generation} is active in deployment ${deployment}`),
    ...programs.map(({ version, path, sizeBytes }) => `program ${version}: ${path} (${bytes(sizeBytes)})`),
  ];
}
