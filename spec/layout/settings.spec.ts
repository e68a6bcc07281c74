import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import toml from '@iarna/toml';
import fc from 'fast-check';
import { applySettings, misfits } from '../../cli/layout/settings/index.ts';
import { knownKeys, readConfiguration } from '../../cli/layout/settings/keys.ts';
import type { Kind } from '../../cli/layout/settings/kinds.ts';
import type { Setting } from '../../cli/layout/types.ts';
import { sample } from '../support/sample.ts';
import { configurationSets } from './release.ts';

const name = 'configuration.toml';

type Table = { [key: string]: unknown };

/** The judge: a TOML reader that the edit does not use for its offsets. It takes the CR at the end of a comment for a forbidden character. */
function judge(text: string): Table {
  const value = toml.parse(text.replace(/^\ufeff/, '').replaceAll('\r\n', '\n'));
  return JSON.parse(JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? `integer ${each}` : each))) as Table;
}

function put(value: Table, path: string, setting: unknown): Table {
  const copy = structuredClone(value);
  const keys = path.split('.');
  let at = copy;
  for (const key of keys.slice(0, -1)) at = at[key] as Table;
  at[keys.at(-1)!] = setting;
  return copy;
}

const others: Record<Kind['of'], [Setting, Setting]> = {
  string: ['a "b" \\ # c', 'é'],
  integer: [-7, 4_000_000],
  float: [0.125, 3],
  boolean: [true, false],
};

function valuesFor({ of, list }: Kind): Setting[] {
  const [one, two] = others[of];
  return list ? [[one, two], [], [two]] : [one, two];
}

for (const { from, files: real } of configurationSets())
  describe(`settings in configurations, ${from}`, () => {
    for (const { row, text } of real) {
      for (const [ends, source] of [
        ['LF', text],
        ['CRLF', text.replaceAll('\n', '\r\n')],
        ['a byte order mark, no newline at the end', `\ufeff${text.trimEnd()}`],
      ] as const) {
        it(`any key of ${row.name} can be set, and only its own line differs (${ends})`, () => {
          const before = judge(source);
          const lines = source.split('\n');
          const known = [...knownKeys(readConfiguration(source, name)).values()];
          const problems: string[] = [];

          for (const { path, kind, place } of sample(known, 25, `${from} ${row.name} ${ends}`)) {
            if (kind === undefined) problems.push(`${path} has no kind`);
            else {
              for (const value of valuesFor(kind).slice(0, ends === 'LF' ? 3 : 1)) {
                const result = applySettings(source, new Map([[path, value]]), name);
                if (!isDeepStrictEqual(judge(result), put(before, path, value))) problems.push(`${path}: another value differs`);
                if (differing(lines, result.split('\n'), place.kind === 'example') > 1) problems.push(`${path}: another line differs`);
              }
            }
          }

          assert.deepEqual(problems, []);
          assert.ok(known.length > 30);
        });
      }
    }

    it('shows what stands only as a comment, with the kind of its example', () => {
      const remote = real.find(({ row }) => row.name === 'remote')!.text;
      const known = knownKeys(readConfiguration(remote, name));

      const result = applySettings(remote, new Map<string, Setting>([['hypervisor.remote.default_vcpus', 3]]), name);

      assert.deepEqual(known.get('hypervisor.remote.default_vcpus')?.kind, { of: 'integer', list: false });
      assert.equal(result, remote.replace('# default_vcpus = 1\n', '# default_vcpus = 1\ndefault_vcpus = 3\n'));
    });
  });

/** How many lines differ, where at most one line was added. */
function differing(before: string[], after: string[], added: boolean): number {
  if (!added) return before.length === after.length ? before.filter((line, index) => line !== after[index]).length : Infinity;
  const at = after.findIndex((line, index) => line.trimEnd() !== before[index]?.trimEnd());
  return after.length === before.length + 1 &&
    before.every((line, index) => line.trimEnd() === after[index < at ? index : index + 1]!.trimEnd())
    ? 1
    : Infinity;
}

describe('settings in any configuration', () => {
  const file = [
    '# default_maxvcpus = 8',
    '[hypervisor.qemu]',
    '#free = "text"',
    'list = [ "a", # free2 = 1',
    '# free3 = 1',
    '  "b" ] # end',
    'text = """',
    '# free4 = 1',
    '[agent.kata]"""',
    'number = 0x10 # hex',
    'float = 1e3',
    'flag = true',
    'inline = { deep = 1, "quoted key" = 2 }',
    '"a.b" = 1',
    'when = 1979-05-27',
    '# [other]',
    '# hidden = 1',
    '[[hypervisor.qemu.images]]',
    'path = "x"',
    '# listed = 1',
    '[hypervisor.qemu.images.below]',
    'no = 1',
    '[agent.kata.empty]',
    '[agent.kata]',
    '# empty = 1',
    '# prose = is not TOML',
    '#    far = 1',
    'dotted.key = 1',
    '# dotted = 2',
    '# last = 1.5',
  ].join('\n');

  it('knows exactly the keys that have a plain path and one value, and examples where they belong', () => {
    const known = knownKeys(readConfiguration(file, name));

    const seen = [...known.values()].map(({ path, kind }) => `${path}: ${kind === undefined ? '-' : `${kind.of}${kind.list ? '[]' : ''}`}`);
    assert.deepEqual(seen.sort(), [
      'agent.kata.dotted.key: integer',
      'agent.kata.last: float',
      'default_maxvcpus: integer',
      'hypervisor.qemu.flag: boolean',
      'hypervisor.qemu.float: float',
      'hypervisor.qemu.free: string',
      'hypervisor.qemu.inline.deep: integer',
      'hypervisor.qemu.inline: -',
      'hypervisor.qemu.list: string[]',
      'hypervisor.qemu.number: integer',
      'hypervisor.qemu.text: string',
      'hypervisor.qemu.when: -',
    ]);
  });

  it('replaces a list over lines, a text over lines, a value in an inline table, and adds below an example at the very end', () => {
    const wanted = new Map<string, Setting>([
      ['hypervisor.qemu.list', ['c']],
      ['hypervisor.qemu.text', 'd'],
      ['hypervisor.qemu.inline.deep', 5],
      ['hypervisor.qemu.float', 2],
      ['agent.kata.last', 7],
    ]);

    const result = applySettings(file, wanted, name);

    const expected = file
      .replace('[ "a", # free2 = 1\n# free3 = 1\n  "b" ]', '["c"]')
      .replace('"""\n# free4 = 1\n[agent.kata]"""', '"d"')
      .replace('deep = 1', 'deep = 5')
      .replace('1e3', '2.0');
    assert.equal(result, `${expected}\nlast = 7.0`);
  });

  it('is, with any texts and numbers, the wanted values as another reader sees them, and all other bytes', () => {
    const text = fc.string({ unit: 'binary', maxLength: 40 });
    const integer = fc.integer();
    const float = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value || 0);
    const before = judge(file);

    fc.assert(
      fc.property(
        text,
        fc.array(text, { maxLength: 4 }),
        integer,
        float,
        fc.boolean(),
        fc.boolean(),
        (one, many, whole, part, flag, crlf) => {
          const source = crlf ? file.replaceAll('\n', '\r\n') : file;
          const wanted = new Map<string, Setting>([
            ['hypervisor.qemu.free', one],
            ['hypervisor.qemu.list', many],
            ['hypervisor.qemu.number', whole],
            ['hypervisor.qemu.float', part],
            ['hypervisor.qemu.flag', flag],
          ]);
          // What readers of the command line refuse is never applied.
          const wrong = misfits(source, wanted, name).map(({ path }) => path);
          for (const path of wrong) wanted.delete(path);

          const result = applySettings(source, wanted, name);

          let expected = before;
          for (const [path, value] of wanted) expected = put(expected, path, value);
          assert.deepEqual(judge(result), expected);
          const unsafe = [one, ...many].some((each) => /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}]/u.test(each));
          assert.equal(wrong.length > 0, unsafe);
          const ours = /^(list|number|float|flag) = |^# free3|^ {2}"b"/;
          const rest = result.split(/\r?\n/).filter((line) => !/^free = /.test(line) && !ours.test(line));
          const keeps = source.split(/\r?\n/).filter((line) => !ours.test(line));
          assert.deepEqual(rest, keeps);
        },
      ),
      { numRuns: 400 },
    );
  });
});
