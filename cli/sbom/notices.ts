import { longAssets } from '../assets/long.ts';
import { type ComponentFacts, componentsOf, kataOrigin } from './components.ts';
import { licencesIn, licenceTable } from './table.ts';

/** A file that says under which terms a payload is passed on, and where its sources are. */
export interface Notice {
  /** A plain name. */
  name: string;
  text: string;
}

/** The sources of one component. */
export interface ComponentSource {
  name: string;
  version?: string | undefined;
  licence?: string | undefined;
  /** Licences of parts. */
  parts: string[];
  /** An https address; undefined where the release names none. */
  address?: string | undefined;
  note?: string | undefined;
  /** A licence wants the sources to be offered. */
  offer: boolean;
}

const unknown = 'NOASSERTION';

/** The sources of all components, Kata Containers first, each address once for each name. */
export function sourcesOf(facts: ComponentFacts): ComponentSource[] {
  const kata = kataOrigin(facts.release);
  const components = componentsOf(facts).filter(({ row }) => row.kata !== true);
  return [
    { ...kata, parts: [], address: kata.source, offer: false },
    ...components.map(({ name, version, licence, source, note, row: { parts = [] } }) => {
      const offer = [...licencesIn(licence ?? ''), ...parts].some((each) => licenceTable.withSources.includes(each));
      return { name, version, licence, parts, address: source, note, offer };
    }),
  ];
}

/** The files of the folder of licences: texts, the list of sources, and a written offer to fill in. `subject` is what they are about. */
export function noticesOf(facts: ComponentFacts, subject: string): Notice[] {
  const sources = sourcesOf(facts);
  const values = { release: facts.release, subject };
  const components = sources.map(line).join('\n');
  return [
    ...textsOf(sources),
    { name: 'SOURCES', text: longAssets.fill('templates/notices/SOURCES', { ...values, components }) },
    { name: 'WRITTEN-OFFER', text: longAssets.fill('templates/notices/WRITTEN-OFFER', values) },
  ];
}

/** The text of each licence that is named. */
function textsOf(sources: ComponentSource[]): Notice[] {
  const licences = sources.flatMap(({ licence, parts }) => [...licencesIn(licence ?? ''), ...parts]);
  const names = new Set(licences.flatMap((each) => licenceTable.texts[each] ?? []));
  return [...names].sort().map((name) => ({ name: `${name}.txt`, text: longAssets.asset(`templates/licenses/${name}.txt`) }));
}

function line({ name, version, licence, parts, address, note, offer }: ComponentSource): string {
  const own = licence ?? unknown;
  const all = parts.length === 0 ? own : `${own} (parts: ${parts.join(', ')})`;
  return [name, version ?? unknown, all, address ?? unknown, ...(offer ? ['offer'] : []), ...(note === undefined ? [] : [note])].join(
    ' | ',
  );
}
