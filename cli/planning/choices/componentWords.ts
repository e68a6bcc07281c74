import { type ComponentKind, componentKinds, type OwnWanted } from '../../components/index.ts';
import { KataError } from '../../errors/index.ts';
import { type AliasRequest, aliasRequests, requireAliasName } from './aliases.ts';

/** What `--alias` and `--component` say together. */
export interface Names {
  /** Names for handlers of the release, and what becomes of earlier names. */
  aliases: AliasRequest[];
  /** Aliases with files of the user. */
  own: OwnWanted[];
}

const componentWord = new RegExp(`^(?:([^:=/]*):)?(${componentKinds.join('|')})=(.+)$`, 's');

/**
 * The words of `--alias` and `--component`. A component without a name is for the one alias of the command. `--alias NAME` alone names it;
 * `--alias NAME=HANDLER` also says which handler it is based on.
 *
 * @param resolve makes the real path of a file that was typed. Throws `usage`, `handler-unknown`.
 */
export function namesOfWords(aliasWords: string[], componentWords: string[], resolve: (path: string) => string): Names {
  const bare = aliasWords.filter((word) => !word.includes('='));
  const given = aliasRequests(aliasWords.filter((word) => word.includes('=')));
  for (const name of bare) requireAliasName(name);
  const added = [...new Set([...bare, ...given.flatMap(({ name, handler }) => (handler === undefined ? [] : [name]))])];
  const own = new Map<string, OwnWanted>();
  for (const word of componentWords) {
    const { alias, kind, file } = componentOf(word, added);
    const known = own.get(alias) ?? { name: alias, base: given.find(({ name }) => name === alias)?.handler, files: [] };
    if (known.files.some((each) => each.kind === kind)) throw wrong(`a ${kind} for ${alias} is named twice`, 'each component once');
    own.set(alias, { ...known, files: [...known.files, { kind, file: resolve(file) }] });
  }
  const without = bare.find((name) => !own.has(name));
  if (without !== undefined)
    throw wrong(`--alias ${without}`, 'NAME=HANDLER, NAME= to remove the alias, or a --component for it in the same command');
  const gone = given.find(({ name, handler }) => handler === undefined && own.has(name));
  if (gone !== undefined) throw wrong(`--alias ${gone.name}= together with a component for it`, 'either of them');
  const both = [...own.values()].find(({ files }) => ['image', 'initrd'].every((kind) => files.some((each) => each.kind === kind)));
  if (both !== undefined) throw wrong(`an image and an initrd for ${both.name}`, 'one of them: a guest has one root');
  return { aliases: given.filter(({ name }) => !own.has(name)), own: [...own.values()] };
}

function componentOf(word: string, added: string[]): { alias: string; kind: ComponentKind; file: string } {
  const [, named, kind, file] = componentWord.exec(word) ?? [];
  if (kind === undefined || file === undefined)
    throw wrong(`--component ${word}`, `KIND=FILE or NAME:KIND=FILE, where KIND is ${componentKinds.join(', ')}`);
  const [only, ...others] = added;
  const alias = named ?? only;
  if (alias === undefined) throw wrong(`--component ${word} without an alias`, 'the name of the handler that has it: --alias NAME');
  if (named === undefined && others.length > 0)
    throw wrong(`--component ${word} with several aliases (${added.join(', ')})`, `the one that has it: --component ${only}:${word}`);
  requireAliasName(alias);
  return { alias, kind: kind as ComponentKind, file };
}

function wrong(found: string, needed: string): KataError {
  return new KataError('usage', {
    subject: '--component',
    found,
    needed,
    next: 'kata-sysext install BUNDLE --component kernel=/root/vmlinux --alias debug-kernel',
  });
}
