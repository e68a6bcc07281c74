import { textMutators, wellFormed } from './bytes.ts';
import type { Random } from './random.ts';

type Mutator = (text: string, random: Random) => string;

/** Members that people and tools have in such a file; the last ones are faults of which the daemon dies. */
const members = [
  '"debug": true',
  '"dns": ["192.0.2.1", "192.0.2.2"]',
  '"log-opts": { "max-size": "10m", "tag": "{{.Name}}" }',
  '"labels": ["a={{ node }}"]',
  '"runtimes": {}',
  '"runtimes": { "crun": { "path": "/usr/bin/crun" } }',
  '"runtimes":{"runsc":{"path":"/usr/bin/runsc","runtimeArgs":["--x"]}}',
  '"RUNTIMES": { "crun": { "path": "/usr/bin/crun" } }',
  '"r\\u0075ntimes": { "crun": { "path": "/usr/bin/crun" } }',
  '"runtimes": null',
  '"runtimes": []',
  '"runtimes": { "kata-qemu": { "runtimeType": "io.containerd.kata.v2" } }',
  '"runtimes": { "runc": { "path": "/usr/bin/runc" } }',
  '"runtimes": { "a": {} }',
  '"runtimes": { "a": { "path": "/a", "runtimeType": "b" } }',
  '"default-runtime": "crun"',
  '"default-runtime": "kata-qemu"',
  '"default-runtime": "runc"',
  '"a\\"b\\\\": "\\ud83d\\ude00 \\/ \\n"',
  '"ключ": "значение 😀"',
  '"": ""',
  '"n": [1, -0, 1.5e-3, 1E+9, 12345678901234567890]',
  '"deep": {"a":{"b":{"c":[[[{}]]]}}}',
  `"long": "${'x'.repeat(9000)}"`,
  '"brace": "}{][,:\\" // no comment"',
  '"__proto__": {}',
  '"hosts": ["unix:///var/run/docker.sock"]',
];

const jsonMutators: Mutator[] = [
  // The same values in another form.
  reformatted((value) => JSON.stringify(value)),
  reformatted((value) => JSON.stringify(value, null, 4)),
  reformatted((value) => `${JSON.stringify(value, null, '\t')}\n`),
  reformatted((value) => JSON.stringify(value, null, 1).replaceAll('\n', '\r\n')),
  reformatted((value) => JSON.stringify(value, null, 2).replaceAll(/\n */g, '\n')),
  reformatted((value) => JSON.stringify(value, null, 2).replaceAll('\n', '\n\n  ')),
  (text, { pick }) => text.replaceAll(':', pick([' :', ':\t', ': ', '\n:\n'])),
  (text, { pick }) => text.replaceAll(',', pick([' ,', ',\n', '\n, ', ',  '])),
  (text, { pick }) =>
    pick(['', ' ', '\n\n', '\t']) + text.replaceAll(/[{}]/g, (brace) => pick([brace, `${brace} `, ` ${brace}`, `${brace}\n`])),
  // Keys in another order.
  reformatted((value, { below }) => JSON.stringify(Object.fromEntries(Object.entries(value).sort(() => below(3) - 1)), null, 2)),
  reformatted((value, { below }) => JSON.stringify(Object.fromEntries(Object.entries(value).filter(() => below(3) > 0)), null, 2)),
  reformatted((value, { pick }) =>
    JSON.stringify(value, null, 2).replace(/"([a-z])/, (_, char: string) => `"\\u${pick(['00', '00'])}${char.charCodeAt(0).toString(16)}`),
  ),
  // A member more, first, last, or in the middle; sometimes one that is there.
  ...Array<Mutator>(5).fill((text, { pick }) =>
    text.replace(/\{(\s*)(["}])/, (_, space: string, next: string) => `{${space}${pick(members)}${next === '}' ? '' : `,${space}`}${next}`),
  ),
  ...Array<Mutator>(3).fill((text, { pick }) =>
    text.replace(/([\]"}\w])(\s*\}\s*)$/, (_, last: string, end: string) => `${last}, ${pick(members)}${end}`),
  ),
  (text, { pick }) => `{${pick(members)}${text.trim().startsWith('{}') || text.trim() === '' ? '}' : `,${text.trim().slice(1)}`}`,
  // What JSON does not have.
  (text, { pick }) =>
    text.replace(
      /\{/,
      (brace) =>
        brace +
        pick(['// mine\n', '/* mine */', '# mine\n', "'a': 1,", 'a: 1,', '"x": 0x1,', '"x": +1,', '"x": .5,', '"x": NaN,', '"x": "\t",']),
    ),
  (text) => text.replace(/(\s*)\}(\s*)$/, ',$1}$2'),
];

function reformatted(write: (value: Record<string, unknown>, random: Random) => string): Mutator {
  return (text, random) => {
    try {
      const value = JSON.parse(text.replace(/^\ufeff/, '')) as unknown;
      return typeof value === 'object' && value !== null && !Array.isArray(value) ? write(value as Record<string, unknown>, random) : text;
    } catch {
      return text;
    }
  };
}

/** A file of JSON as others may have written it: one to four changes, some of which make no JSON. */
export function mutatedJson(text: string, random: Random): string {
  let changed = text;
  for (let count = 1 + random.below(4); count > 0; count -= 1)
    changed = random.pick(random.once(5) ? textMutators : jsonMutators)(changed, random);
  return wellFormed(changed);
}
