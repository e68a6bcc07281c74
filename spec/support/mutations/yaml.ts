import { lines, textMutators, wellFormed } from './bytes.ts';
import type { Random } from './random.ts';

type Mutator = (text: string, random: Random) => string;

/** Lines that people write into a NodeConfig; some are no YAML, or say what nodeadm cannot take. */
const pieces = [
  '# a comment\n',
  '---\n',
  '...\n',
  '%YAML 1.2\n---\n',
  'metadata: { name: "x", labels: {a: b,} }\n',
  'metadata:\n  name: &a x\n  other: *a\n',
  '? complex\n: key\n',
  'kind: NodeConfig\n',
  '"kind": "NodeConfig"\n',
  'kind: !!str NodeConfig\n',
  '__proto__: {}\n',
  '\tindented: true\n',
  'cluster: {{ cluster }}\n',
  'cluster: "{{ cluster }}"\n',
  '{% if gpu %}\n',
  'x: |2-\n    text\n',
  'x: >+\n  folded\n\n',
  "x: 'it''s'\n",
  'x: "\\u0041\\x41"\n',
  'ключ: значение\n',
  `long: ${'x'.repeat(9000)}\n`,
  '? \n',
  '- a list\n',
  'x: @\n',
  'y: [a, b\n',
];

const yamlMutators: Mutator[] = [
  ...Array<Mutator>(5).fill((text, { pick, below, once }) => {
    const parts = text.split(/(?<=\n)/);
    parts.splice(once(3) ? parts.length : below(parts.length + 1), 0, pick(pieces));
    return parts.join('');
  }),
  // Other indentation of all lines that have some.
  (text, { pick }) => {
    const more = pick(['  ', ' ', '    ', '\t']);
    return lines(text, (line) => (line.startsWith(' ') ? more + line : line));
  },
  (text) => lines(text, (line) => line.replace(/^ +/, (spaces) => ' '.repeat(spaces.length * 2))),
  (text) => lines(text, (line) => line.replace(/^( *)([\w.]+):/, '$1"$2":')),
  (text) => lines(text, (line) => line.replace(/: (\w[\w./]*)(\r?\n)$/, ": '$1'$2")),
  (text, { pick }) =>
    lines(text, (line) => line.replace(/(\w)(\r?\n)$/, (_, last: string, end: string) => `${last}${pick(['', ' ', '  # why'])}${end}`)),
  (text, { pick }) =>
    text.replace(
      /config: \|\s*\n/,
      pick(['config: |-\n', 'config: |+\n', 'config: >\n', 'config: |2\n', 'config:  | # toml\n', 'config:\n']),
    ),
  (text, { pick }) => text.replace('v1alpha1', pick(['v1', 'v1beta1', '""'])),
  (text, { pick }) => text.replace('NodeConfig', pick(['nodeconfig', 'Node', 'NodeConfig ', '[NodeConfig]'])),
  (text, { pick }) => text.replaceAll('io.containerd.cri.v1.runtime', pick(['io.containerd.grpc.v1.cri', 'io.containerd.cri.v1.images'])),
  (text) => `${text}\n---\n${text}`,
];

/** A file of YAML as others may have written it: one to four changes, some of which make no YAML. */
export function mutatedYaml(text: string, random: Random): string {
  let changed = text;
  for (let count = 1 + random.below(4); count > 0; count -= 1)
    changed = random.pick(random.once(5) ? textMutators : yamlMutators)(changed, random);
  return wellFormed(changed);
}
