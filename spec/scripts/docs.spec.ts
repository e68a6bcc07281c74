import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { optionsOf, verbs } from '../../cli/commands/table.ts';
import { codes } from '../../cli/errors/index.ts';
import { pages, stalePages } from '../../scripts/docs.ts';

const repo = join(import.meta.dirname, '../..');
const written = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md'];
const texts = [...written, ...readdirSync(join(repo, 'docs')).map((name) => `docs/${name}`)]
  .filter((path) => path.endsWith('.md'))
  .map((path) => ({ path, text: readFileSync(join(repo, path), 'utf8') }));

/** Code of a page: fenced blocks and spans. In a sentence the program's name is no command. */
const code = /^```[^\n]*\n(?<block>.*?)^```|`(?<span>[^`\n]+)`/gms;
/** In code a command stands at the start of a line, after a prompt, or where our own output names it. */
const command =
  /(?:^ *(?:[$#] )?|sudo |["(;:|] ?|next: +)(?:kata-sysext|npm run -s cli --|npx tsx cli\/main\.ts) (?<verb>[a-z][a-z-]*)(?<rest>[^"#\n]*)/gm;

interface Named {
  path: string;
  verb: string;
  options: string[];
}

function commandsIn({ path, text }: { path: string; text: string }): Named[] {
  const codes = [...text.matchAll(code)].map(({ groups }) => groups!['block'] ?? groups!['span']!);
  return codes
    .flatMap((each) => [...each.matchAll(command)])
    .map(({ groups }) => ({
      path,
      verb: groups!['verb']!,
      options: [...groups!['rest']!.matchAll(/(?<=\s)--?(?<name>[a-z][a-z-]*)/g)].map((match) => match.groups!['name']!),
    }));
}

describe('the documents', () => {
  it('have fresh pages of commands and error codes', () => {
    const stale = stalePages();

    assert.deepEqual(stale, [], 'run: npx tsx scripts/docs.ts');
  });

  it('describe every verb, every option and every code', () => {
    const made = pages();

    for (const verb of verbs) {
      assert.ok(made['docs/commands.md']!.includes(`\n## ${verb.name}\n`), verb.name);
      for (const name of Object.keys(optionsOf(verb))) assert.ok(made['docs/commands.md']!.includes(`\`--${name}`), name);
    }
    for (const code of Object.keys(codes)) assert.ok(made['docs/errors.md']!.includes(`| \`${code}\` |`), code);
  });

  it('name only commands that the program has', () => {
    const named = texts.flatMap(commandsIn);

    const wrong = named.flatMap(({ path, verb, options }) => {
      const row = verbs.find((one) => one.name === verb);
      if (row === undefined) return [`${path}: ${verb}`];
      const known = new Set(Object.entries(optionsOf(row)).flatMap(([name, { alias }]) => [name, alias ?? name]));
      return options.filter((name) => name !== 'help' && !known.has(name)).map((name) => `${path}: ${verb} --${name}`);
    });
    assert.ok(named.length > 40, `only ${named.length} commands were found: the pattern is wrong`);
    assert.deepEqual(wrong, []);
  });

  it('name only error codes, npm scripts, specs and pages that are there', () => {
    const { scripts } = JSON.parse(readFileSync(join(repo, 'package.json'), 'utf8')) as { scripts: Record<string, string> };

    const wrong = texts.flatMap(({ path, text }) =>
      [
        ...find(text, /--allow (?<one>[a-z]+-[a-z-]+)/g).filter((code) => codes[code]?.overridable !== true),
        ...find(text, /npm run (?:-s |--silent )?(?<one>[a-z:]+)/g).filter((name) => scripts[name] === undefined),
        ...find(text, /npx mocha (?<one>spec\/\S+\.spec\.ts)/g).filter((spec) => !existsSync(join(repo, spec))),
        ...find(text, /\]\((?<one>[^)#:]+)(?:#[^)]*)?\)/g).filter((link) => !existsSync(join(repo, dirname(path), link))),
      ].map((each) => `${path}: ${each}`),
    );
    assert.deepEqual(wrong, []);
  });
});

function find(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(({ groups }) => groups!['one']!);
}
