import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { optionsOf, verbs } from '../../cli/commands/table/index.ts';
import { topWords } from '../../cli/commands/table/otherWords.ts';
import { codes } from '../../cli/errors/index.ts';
import { pages, stalePages } from '../../scripts/docs.ts';
import { docPages, userDocPages } from '../../scripts/pages/list.ts';
import { linkedFiles } from '../../scripts/pages/packaged.ts';

const overstruck = new RegExp(`.${String.fromCharCode(8)}`, 'g');
const repo = join(import.meta.dirname, '../..');
const written = ['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', 'RELEASE.md'];
const texts = [...written, ...docPages()].map((path) => ({ path, text: readFileSync(join(repo, path), 'utf8') }));

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
  let made: Record<string, string>;

  before(async () => {
    made = await pages();
  });

  it('have fresh pages of commands, error codes and first boots', () => {
    const stale = stalePages(made);

    assert.deepEqual(stale, [], 'run: npx tsx scripts/docs.ts');
  });

  it('describe every verb, every option and every code', () => {
    for (const verb of verbs) {
      assert.ok(made['docs/reference/commands.md']!.includes(`\n## ${verb.name}\n`), verb.name);
      for (const name of Object.keys(optionsOf(verb))) assert.ok(made['docs/reference/commands.md']!.includes(`\`--${name}`), name);
    }
    const manual = made['man/kata-sysext.8']!.replaceAll('\\-', '-');
    for (const verb of verbs) {
      assert.match(manual, new RegExp(`^\\.SS "${verb.name}[ "]`, 'm'));
      for (const name of Object.keys(optionsOf(verb))) assert.ok(manual.includes(`\\fB--${name}\\fR`), name);
    }
    for (const code of Object.keys(codes)) assert.match(manual, new RegExp(`^\\.B ${code} \\(`, 'm'));
    for (const code of Object.keys(codes)) assert.ok(made['docs/reference/errors.md']!.includes(`| \`${code}\` |`), code);
  });

  const readers: [string, string[]][] = [
    ['/usr/bin/man', ['--warnings', '-E', 'UTF-8', '-l']],
    ['/usr/bin/groff', ['-man', '-ww', '-Tutf8']],
    ['/usr/bin/mandoc', ['-Tlint']],
  ];
  for (const [reader, args] of readers) {
    it(`have a man page that ${reader} has nothing to say against`, function () {
      if (!existsSync(reader)) {
        console.log(`      ${reader} is not on this machine: see .ci/packages.txt`);
        this.skip();
      }

      const read = spawnSync(reader, [...args, join(repo, 'man/kata-sysext.8')], {
        encoding: 'utf8',
        env: { MANPAGER: 'cat', MANWIDTH: '80', LC_ALL: 'C.UTF-8', PATH: '/usr/bin:/bin' },
      });

      assert.deepEqual([read.status, read.stderr], [0, '']);
      if (reader.endsWith('/mandoc')) assert.equal(read.stdout, '');
      else assert.match(read.stdout, /Kata Containers on read-only hosts/);
    });
  }

  it('show in the man page the very bytes of every example', function () {
    if (!existsSync('/usr/bin/mandoc')) {
      console.log('      mandoc is not on this machine');
      this.skip();
    }

    const shown = spawnSync('/usr/bin/mandoc', ['-Tutf8', '-Owidth=300', join(repo, 'man/kata-sysext.8')], { encoding: 'utf8' });

    // mandoc shows bold and underlined signs by striking twice.
    const lines = shown.stdout
      .replace(overstruck, '')
      .split('\n')
      .map((line) => line.trim());
    for (const { command } of verbs.flatMap((verb) => verb.examples)) assert.ok(lines.includes(command), command);
  });

  it('name only commands that the program has', () => {
    const named = texts.flatMap(commandsIn);

    const wrong = named.flatMap(({ path, verb, options }) => {
      const row = verbs.find((one) => one.name === verb);
      if (topWords.some(({ name }) => name === verb)) return [];
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

describe('the contents page', () => {
  const contents = readFileSync(join(repo, 'docs/README.md'), 'utf8');

  it('is one click from README, and has every page that users read', () => {
    const linked = new Set(linkedFiles('docs/README.md', contents));

    assert.ok(linkedFiles('README.md', readFileSync(join(repo, 'README.md'), 'utf8')).includes('docs/README.md'));
    assert.deepEqual(
      userDocPages().filter((path) => path !== 'docs/README.md' && !linked.has(path)),
      [],
    );
  });
});

describe('the links of the documents', () => {
  it('to a place on a page lead to a heading that is there', () => {
    const places = texts.flatMap(({ path, text }) =>
      [...text.matchAll(/\]\((?<file>[^)#:]*)#(?<place>[^)]+)\)/g)].map(({ groups }) => ({
        path,
        file: groups!['file'] === '' ? path : posix.join(dirname(path), groups!['file']!),
        place: groups!['place']!,
      })),
    );

    const dead = places.filter(({ file, place }) => !headingsOf(readFileSync(join(repo, file), 'utf8')).includes(place));
    assert.ok(places.length > 60, `only ${places.length} places were found: the pattern is wrong`);
    assert.deepEqual(dead, []);
  });
});

/** The places of a page's headings, as GitHub names them. */
function headingsOf(page: string): string[] {
  return [...page.replace(/^```.*?^```$/gms, '').matchAll(/^#+ (?<text>.*)$/gm)].map(({ groups }) =>
    groups!
      ['text']!.toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

function find(text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map(({ groups }) => groups!['one']!);
}
