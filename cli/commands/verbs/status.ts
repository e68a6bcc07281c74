import { KataError } from '../../errors/index.ts';
import { chosenText } from '../../inspect/chosen.ts';
import { ownerText } from '../../inspect/owner.ts';
import { type GenerationLine, type SourceLine, type Status, status } from '../../inspect/status.ts';
import { age, bytes, type Cell, command, tableLines } from '../../output/index.ts';
import { holderText } from '../../preflight/lockHeld.ts';
import type { SpdxVersion } from '../../sbom/spdx.ts';
import { forHost } from '../advice.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const { context, options } = call;
  const { host } = context;
  if (options['fleet'] === true) return (await import('./fleet.ts')).run(call);
  for (const name of ['kubeconfig', 'namespace'])
    if (options[name] !== undefined) throw usage(`--${name} without --fleet`, 'kata-sysext status --fleet', `--${name}`, '--fleet with it');
  if (options['sbom'] === true) return sbom(context, options);
  if (options['spdx'] !== undefined) throw usage('--spdx without --sbom', 'kata-sysext status --sbom --spdx 2.2');
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

/** Nothing but the document, whose form is not kata-sysext's. */
async function sbom({ host, program, signal }: Call['context'], options: Call['options']): Promise<Reply> {
  if (options['json'] === true) throw usage('--sbom together with --json', 'kata-sysext status --sbom');
  const [{ activeSbom }, { payloadSbom }] = await Promise.all([import('../../inspect/sbom.ts'), import('../../sbom/index.ts')]);
  const document = await payloadSbom((options['spdx'] ?? '2.3') as SpdxVersion, await activeSbom(host, program, signal));
  return { kind: 'Status', body: {}, text: document.trimEnd().split('\n') };
}

const sbomAlone = '--sbom alone, which prints JSON of its own, or with --spdx';

function usage(found: string, next: string, subject = '--sbom', needed = sbomAlone): KataError {
  return new KataError('usage', { subject, found, needed, next });
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
      [...each.handlers.map((name) => handlerText(each, name)), ...each.aliases.map(({ name, handler }) => `${name} → ${handler}`)],
      each.handlers.map((name) => settingsOf(each, name)),
      age(each.created, now),
      each.sizeBytes === undefined ? '?' : bytes(each.sizeBytes),
      String(each.sandboxes),
      each.format === 'directory' ? each.backend : `${each.backend}, ${each.format}`,
      notesOf(each).join(', '),
    ]),
  );
}

/** 'newkernel (kernel)': -v shows which file that is. */
function handlerText({ components = [] }: GenerationLine, name: string): string {
  const kinds = components.filter(({ handler }) => handler === name).map(({ kind }) => kind);
  return kinds.length === 0 ? name : `${name} (${kinds.join(', ')})`;
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

function detailLines({ number, created, configured, payload, sources, components = [] }: GenerationLine): string[] {
  return [
    `generation ${number}:`,
    `  made:    ${created}`,
    ...sources.flatMap(({ archives = [], ...source }) => [
      `  source:  ${sourceText(source)}`,
      ...archives.map((each) => `    with:  ${sourceText(each)}`),
    ]),
    `  payload: ${payload.digest}`,
    `           in ${payload.folder}`,
    ...components.map(
      ({ handler, base, kind, name, sizeBytes, digest }) =>
        `  ${handler}: ${kind} ${name} (${bytes(sizeBytes)}, ${digest}), else like ${base}`,
    ),
    ...configured.map((handler) => `  set:     ${handler.name}: ${chosenText(handler)}`),
  ];
}

function sourceText({ name, digest, signedBy, identity }: SourceLine): string {
  return `${name} ${digest}${signedBy === undefined ? '' : `, signed by ${signedBy}`}${identity === undefined ? '' : ` (${identity})`}`;
}

function hostLines({ engine, otherEngines = [], deployments, programs }: Status): string[] {
  return [
    ...[...(engine === undefined ? [] : [engine]), ...otherEngines].flatMap(({ name, files, method }) =>
      files.length === 0 ? [] : [`wired into ${name}: ${files.join(', ')} (${method})`],
    ),
    ...deployments.map(({ deployment, generation }) => `generation ${generation} is active in deployment ${deployment}`),
    ...programs.map(({ version, path, sizeBytes }) => `program ${version}: ${path} (${bytes(sizeBytes)})`),
  ];
}
