import { lines, textMutators, wellFormed } from './bytes.ts';
import type { Random } from './random.ts';

type Mutator = (text: string, random: Random) => string;

/** A header with its lines; the first section is what comes before any header. */
interface Section {
  /** With its indentation, without its line end; empty for the first section. */
  header: string;
  body: string[];
}

function sectionsOf(text: string): Section[] {
  const sections: Section[] = [{ header: '', body: [] }];
  for (const line of text.split(/(?<=\n)/)) {
    if (/^\s*\[\[?[^\]]+\]\]?\s*(?:#.*)?$/.test(line)) sections.push({ header: line, body: [] });
    else sections.at(-1)!.body.push(line);
  }
  return sections;
}

function joined(sections: readonly Section[]): string {
  return sections
    .map(({ header, body }) => [header, ...body].map((line) => (line === '' || line.endsWith('\n') ? line : `${line}\n`)).join(''))
    .join('');
}

function onSections(change: (sections: Section[], random: Random) => Section[] | undefined): Mutator {
  return (text, random) => {
    const sections = sectionsOf(text);
    const changed = change(sections, random);
    return changed === undefined ? text : joined(changed);
  };
}

const simple = /^(\s*)([A-Za-z0-9_-]+)(\s*=\s*)([^\n#\r]*?[^\s#])([ \t]*(?:#[^\n\r]*)?\r?\n?)$/;

/** The parts of a header's key, unquoted; undefined for one that is written in another way. */
function keyOf(header: string): string[] | undefined {
  const inner = /^\s*\[\s*([^[\]]+?)\s*\]\s*(?:#.*)?$/.exec(header.trimEnd())?.[1];
  const parts = inner?.match(/"[^"\\]*"|'[^']*'|[A-Za-z0-9_-]+/g);
  if (inner === undefined || !parts || parts.join('.').length !== inner.replaceAll(/\s*\.\s*/g, '.').length) return undefined;
  return parts.map((part) => part.replace(/^["']|["']$/g, ''));
}

function quoted(part: string, { pick, below }: Random): string {
  const bare = /^[A-Za-z0-9_-]+$/.test(part);
  const escaped = `"${[...part].map((char, at) => (at === below(part.length) ? `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}` : char)).join('')}"`;
  return pick(bare ? [part, part, `"${part}"`, `'${part}'`] : [`"${part}"`, `'${part}'`, escaped]);
}

const [old, runtime, images] = ['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.runtime', 'io.containerd.cri.v1.images'];

/** Lines that people, tools and earlier installers leave in such a file, at a line's start. */
const pieces: string[] = [
  '# a comment\n',
  '   # "quoted" [table] = {{ not a template\n',
  '# {{ ansible_managed }}\n',
  '# BEGIN kata-sysext: this block is recorded by its exact text; "kata-sysext uninstall" takes it out again.\n',
  '# END kata-sysext\n',
  '\n\n',
  '[plugins]\n',
  '[empty]\n[empty.also]\n',
  '[proxy_plugins]\n  [proxy_plugins."é.ü"]\n    type = "snapshot"\n',
  '[[stream]]\na = 1\n[[stream]]\n[stream.sub]\nb = 2\n',
  `[plugins."${old}"]\n`,
  `[plugins.'${runtime}']\n`,
  `[plugins."${images}"]\nsnapshotter = "overlayfs"\n`,
  `[plugins."${old}".containerd]\n`,
  `[plugins."${old}".containerd.runtimes]\n`,
  `[plugins.'${runtime}'.containerd.runtimes]\n`,
  `[plugins."${old}".containerd.runtimes.crun]\nruntime_type = "io.containerd.runc.v2"\n`,
  `[plugins . '${runtime}' . containerd . runtimes . crun ]\nruntime_type = 'io.containerd.runc.v2'\n`,
  `[plugins."${old}".containerd.runtimes.kata-qemu]\nruntime_type = "io.containerd.kata.v2"\n`,
  `[plugins."${runtime}".containerd.runtimes."kata-qemu"]\nruntime_type = "io.containerd.kata-qemu.v2"\n`,
  `plugins."${old}".containerd.runtimes.y.runtime_type = "io.containerd.runc.v2"\n`,
  `plugins = { "${old}" = { containerd = { runtimes = {} } } }\n`,
  `plugins."${runtime}" = { containerd = { runtimes = { runc = { runtime_type = "io.containerd.runc.v2" } } } }\n`,
  `[[plugins."${old}".containerd.runtimes]]\nx = 1\n`,
  `[plugins."${old}"]\ncontainerd.runtimes.z = {}\n`,
  'x = """\n[plugins]\nimports = ["a"]\n# BEGIN kata-sysext\n"""\n',
  "y = '''\nversion = 3\n\"\"\"'''\n",
  'list = [\n  1,\n  2, # two\n\n  # three\n  3\n]\n',
  'mixed = [1, "a", { b = 2 }, [3.5, true]]\n',
  'numbers = [+1, 0xff, 0o17, 0b1, 1_000, 1e3, inf, -nan, 9223372036854775807]\n',
  'when = 1979-05-27 # a day\nthen = 1979-05-27 07:32:00.5\nnow = [1979-05-27T07:32:00Z, 1979-05-27 07:32:00-07:00]\n',
  '"ключ" = "значение"\n',
  '"" = 0\n',
  'a.b.c = 1\n"a".b.\'d\' = 2\n',
  `long = "${'x'.repeat(9000)}"\n`,
  `# ${'long '.repeat(3000)}\n`,
  `toolong = "${'x'.repeat(66_000)}"\n`,
  'disabled_plugins = ["cri"]\n',
  'disabled_plugins = []\n',
  'required_plugins = ["io.containerd.grpc.v1.cri"]\n',
  'address = "{{ socket }}"\n',
  'address = {{ socket }}\n',
  '{% if gpu %}\n',
  '{{#if gpu}}\n',
  '__proto__ = 1\n',
  '[constructor.prototype]\n',
  'crlf = 1\r\n',
  '\tindented = true\n',
];

const imports = [
  'imports = []\n',
  'imports = [ ]# none\n',
  'imports = ["/etc/containerd/conf.d/*.toml"]\n',
  'imports = ["conf.d/*.toml", ]\n',
  'imports = [\n\t"/etc/containerd/conf.d/*.toml", # ours\n\t# more\n]\n',
  'imports=[\'/etc/containerd/conf.d/[a-z]*.toml\',"/etc/containerd/config.toml"]\n',
  '"imports" = ["/etc/containerd/\\u0063onf.d/*.toml"]\r\n',
  'imports = ["/etc/containerd/other.toml"]\n',
  'imports = ["/etc/containerd/missing.toml"]\n',
  'imports = "/etc/containerd/conf.d/*.toml"\n',
  'imports = [["/etc/containerd/conf.d/*.toml"]]\n',
  'imports = ["/etc/containerd/*.toml"]\n',
  'imports = ["../containerd/conf.d/../conf.d/*.toml", "/etc/containerd/conf.d/*.toml"]\n',
  'imports = ["/etc/*/conf.d/*.toml"]\n',
];

const versions = [
  'version = 2\n',
  'version=3\n',
  'version = 4 # newest\n',
  "'version' = 2\n",
  '"vers\\u0069on" = 3\n',
  'version = 0x2\n',
  'version = +3\n',
  'version = "2"\n',
  'version = 2.0\n',
  'version = 1\n',
  '',
];

/** Replaces or adds a line of the first section. */
function topLine(key: RegExp, choices: readonly string[]): Mutator {
  return onSections(([first, ...rest], { pick, below }) => {
    const body = first!.body.filter((line) => !key.test(line));
    body.splice(below(body.length + 1), 0, pick(choices));
    return [{ header: '', body }, ...rest];
  });
}

const tomlMutators: Mutator[] = [
  topLine(/^\s*["']?imports/, imports),
  topLine(/^\s*["']?vers/, versions),
  // Another schema's names for the same settings.
  (text) => text.replaceAll(old, runtime),
  (text) => text.replaceAll(runtime, old),
  // Other quotes and spaces in headers.
  onSections((sections, random) =>
    sections.map((section) => {
      const key = random.once(2) ? keyOf(section.header) : undefined;
      if (key === undefined) return section;
      const dot = random.pick(['.', '.', ' . ', '. ', '\t.']);
      const [open, close] = random.pick([
        ['[', ']'],
        ['[ ', ' ]'],
        ['  [', ']  # why'],
        ['\t[', ']\t'],
      ]);
      return { ...section, header: `${open}${key.map((part) => quoted(part, random)).join(dot)}${close}\n` };
    }),
  ),
  // Other quotes and spaces of keys.
  (text, random) =>
    lines(text, (line) => {
      const [, indent, key, , value, rest] = simple.exec(line) ?? [];
      if (key === undefined || random.once(2)) return line;
      return `${random.pick([indent, '', '\t', '      '])}${quoted(key, random)}${random.pick(['=', ' = ', '  =\t'])}${value}${rest}`;
    }),
  // Other quotes of texts.
  (text, { pick, once }) =>
    text.replaceAll(/= "([^"\\\n']*)"(?=\r?$)/gm, (whole, inner: string) =>
      once(2) ? `= ${pick([`'${inner}'`, `"""${inner}"""`, `'''${inner}'''`, `"""\n${inner}"""`])}` : whole,
    ),
  // Lists over lines.
  (text, { pick }) =>
    text.replaceAll(
      /= \[((?:"[^"\n]*"(?:, )?)+)\]/g,
      (_, inner: string) =>
        `= [${pick(['\n  ', ' ', ' # first\n\t'])}${inner.replaceAll(', ', pick([',\n  ', ' , ', ', # next\n']))}${pick(['', ',', ',\n', ' # end\n'])}]`,
    ),
  // Other indentation.
  (text, { pick }) => lines(text, (line) => pick(['', '\t', '    ', ' ']) + line.trimStart()),
  (text) => lines(text, (line) => line.trimStart()),
  // Comments at ends of lines.
  (text, { once, pick }) =>
    lines(text, (line) =>
      once(3) && /[\]"'\dse]\r?\n$/.test(line)
        ? line.replace(/\r?\n$/, (end) => `${pick([' #', ' # why', '# "', "\t# '''"])}${end}`)
        : line,
    ),
  // Sections in another order: super-tables after their sub-tables.
  onSections(([first, ...rest], { below }) => {
    for (let at = rest.length - 1; at > 0; at -= 1) {
      const other = below(at + 1);
      [rest[at], rest[other]] = [rest[other]!, rest[at]!];
    }
    return [first!, ...rest];
  }),
  onSections(([first, ...rest]) => [first!, ...rest.reverse()]),
  // A section twice, one less, two as one.
  onSections((sections, { pick, below }) => {
    const copy = [...sections];
    copy.splice(1 + below(copy.length), 0, pick(sections));
    return copy;
  }),
  onSections((sections, { below }) => sections.filter((_, index) => index === 0 || index !== below(sections.length))),
  // A section as an inline table of the first one.
  onSections((sections, random) => {
    const at = random.below(sections.length);
    const key = keyOf(sections[at]!.header);
    const pairs = sections[at]!.body.flatMap((line) => (simple.test(line) ? [line.trim().replace(/\s+#.*$/, '')] : []));
    if (key === undefined) return undefined;
    sections[0]!.body.push(`${key.map((part) => quoted(part, random)).join('.')} = { ${pairs.join(', ')} }\n`);
    return sections.filter((_, index) => index !== at);
  }),
  // A section as dotted keys of the first one, or of its parent.
  onSections((sections, random) => {
    const at = random.below(sections.length);
    const key = keyOf(sections[at]!.header);
    const parent = sections.find((each) => key !== undefined && keyOf(each.header)?.join('\0') === key.slice(0, -1).join('\0'));
    if (key === undefined) return undefined;
    const path = parent === undefined ? key : key.slice(-1);
    const prefix = path.map((part) => quoted(part, random)).join('.');
    (parent ?? sections[0]!).body.push(...sections[at]!.body.map((line) => (simple.test(line) ? `${prefix}.${line.trimStart()}` : line)));
    return sections.filter((_, index) => index !== at);
  }),
  // What others write, at a line's start or at the end.
  ...Array<Mutator>(6).fill((text, { pick, below, once }) => {
    const parts = text.split(/(?<=\n)/);
    parts.splice(once(3) ? parts.length : below(parts.length + 1), 0, pick(pieces));
    return parts.join('');
  }),
  // At the top, where keys belong to no table.
  ...Array<Mutator>(2).fill((text, { pick }) => pick(pieces) + text),
];

/** A file of TOML as others may have written it: one to four changes, some of which make no TOML. */
export function mutatedToml(text: string, random: Random): string {
  let changed = text;
  for (let count = 1 + random.below(4); count > 0; count -= 1)
    changed = random.pick(random.once(4) ? textMutators : tomlMutators)(changed, random);
  return wellFormed(changed);
}
