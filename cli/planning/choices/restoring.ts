import type { Own } from '../../components/types.ts';
import type { Finding } from '../../errors/index.ts';
import { settingText } from '../../layout/settings/index.ts';
import { words } from '../../output/index.ts';
import type { GenerationHandler, GenerationManifest, Setting } from '../../store/index.ts';

/** What an installation was made with. */
type Made = Pick<GenerationManifest, 'sources' | 'handlers' | 'choices' | 'backend' | 'format'>;

/**
 * The words after `install` that bring an installation back: its sources, and everything that was chosen. Settings and profiles
 * count for all handlers of an install, so that those which some handlers have are not among them: a finding names the command for each.
 *
 * @param manifest `withProvenPlaces`: a file that is another one by now is named by a place to fill in
 * @param engines 'containerd@1.7' each; none where none was recorded
 * @param places the sources as they are typed, if not by their names alone
 */
export function restoring(manifest: Made, engines: readonly string[], places?: string[]): { line: string; findings: Finding[] } {
  const { sources, handlers, choices, backend, format } = manifest;
  const profiles = handlers.map(({ name }) => choices.profiles[name] ?? []);
  const sameProfiles = profiles.every((each) => each.join() === profiles[0]?.join());
  const shared = sharedSettings(manifest);
  const line = [
    ...(places ?? sources.map(({ name }) => name)),
    ...handlers.flatMap(({ name, own }) => (own === undefined ? ['--handler', name] : [])),
    ...handlers.flatMap(({ name, own }) => (own === undefined ? [] : ownWords(name, own))),
    ...Object.entries(choices.aliases).flatMap(([name, handler]) => ['--alias', `${name}=${handler}`]),
    '--backend',
    backend,
    ...(format === 'directory' ? [] : ['--format', format]),
    ...engines.flatMap((engine) => ['--engine', engine]),
    ...setWords(shared),
    ...(sameProfiles ? profileWords(profiles[0] ?? []) : []),
  ];
  const findings = handlers.flatMap((handler, index) => {
    const own = Object.entries(choices.settings[handler.name] ?? {}).filter(([path, value]) => !covers(shared, handler, path, value));
    const rest = [...setWords(own), ...(sameProfiles ? [] : profileWords(profiles[index]!))];
    return rest.length === 0 ? [] : [notKept(handler.name, rest)];
  });
  return { line: words(line), findings };
}

type Assigned = [key: string, value: Setting];

/** A file without a place is named by one to fill in. */
function ownWords(alias: string, { base, files }: Own): string[] {
  return [
    '--alias',
    `${alias}=${base}`,
    ...files.flatMap(({ kind, name, place }) => ['--component', `${alias}:${kind}=${place ?? `/PATH/TO/${name}`}`]),
  ];
}

/** What all handlers have alike: by its whole path, or where only the tables of the hypervisors differ by the name in them. */
function sharedSettings({ handlers, choices }: Made): Assigned[] {
  const [first, ...others] = handlers;
  if (first === undefined) return [];
  return Object.entries(choices.settings[first.name] ?? {}).flatMap(([path, value]): Assigned[] => {
    const has = (key: string) =>
      others.every((other) =>
        Object.entries(choices.settings[other.name] ?? {}).some(([at, own]) => covers([[key, value]], other, at, own)),
      );
    const key = [path, inTable(first, path)].find((each) => each !== undefined && has(each));
    return key === undefined ? [] : [[key, value]];
  });
}

/** The bare name of a key of the handler's own [hypervisor] table, which it means before all others. */
function inTable({ hypervisor }: GenerationHandler, path: string): string | undefined {
  const table = `hypervisor.${hypervisor}.`;
  const name = path.startsWith(table) ? path.slice(table.length) : '';
  return /^[^.]+$/.test(name) ? name : undefined;
}

function covers(assigned: Assigned[], handler: GenerationHandler, path: string, value: Setting): boolean {
  return assigned.some(([key, own]) => (key === path || key === inTable(handler, path)) && JSON.stringify(own) === JSON.stringify(value));
}

function setWords(assigned: Assigned[]): string[] {
  return assigned.flatMap(([key, value]) => ['--set', `${key}=${settingText(value)}`]);
}

function profileWords(names: string[]): string[] {
  return names.flatMap((name) => ['--profile', name]);
}

function notKept(handler: string, rest: string[]): Finding {
  return {
    code: 'settings-not-kept',
    level: 'warning',
    subject: handler,
    found: `settings of ${handler} are not kept: the command that brings the installation back sets the same for all handlers`,
    needed: 'a further command for this handler, if they shall come back',
    next: `kata-sysext configure ${words(['--handler', handler, ...rest])}`,
  };
}
