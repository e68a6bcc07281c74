import assert from 'node:assert/strict';
import { isDeepStrictEqual } from 'node:util';
import toml from '@iarna/toml';
import fc from 'fast-check';
import { handlerTable, pathTable } from '../../cli/layout/index.ts';
import { applySettings, findSetting, misfits, readAssignment, resolveSettings } from '../../cli/layout/settings/index.ts';
import { knownKeys, readConfiguration } from '../../cli/layout/settings/keys.ts';
import type { Kind } from '../../cli/layout/settings/kinds.ts';
import type { Setting } from '../../cli/layout/types.ts';
import { realConfiguration } from './release.ts';

const real = handlerTable.handlers.flatMap((row) => {
  const text = realConfiguration(row);
  return text === undefined || row.name === 'firecracker' ? [] : [{ row, text }];
});
const qemu = { name: 'kata-qemu', hypervisor: 'qemu' };
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

describe("settings in Kata's own configurations", () => {
  before(function () {
    if (real.length === 0) {
      console.log('      left out: ../shared/real-data/kata-config is not there');
      this.skip();
    }
  });

  for (const { row, text } of real) {
    for (const [ends, source] of [
      ['LF', text],
      ['CRLF', text.replaceAll('\n', '\r\n')],
      ['a byte order mark, no newline at the end', `\ufeff${text.trimEnd()}`],
    ] as const) {
      it(`every key of ${row.name} can be set, and only its own line differs (${ends})`, () => {
        const before = judge(source);
        const lines = source.split('\n');
        const known = [...knownKeys(readConfiguration(source, name)).values()];
        const problems: string[] = [];

        for (const { path, kind, place } of known) {
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

const release = `[hypervisor.qemu]
kernel = "/opt/kata/vmlinux"
default_memory = 2048
default_vcpus = 1
overhead = 0.2
kernel_params = "a"
enable_debug = false
modules = []
when = 1979-05-27
[agent.kata]
enable_debug = false
enable_tracing = false
[runtime]
enable_debug = false
enable_tracing = false
hypervisor_name = "qemu"
jaeger_password = ""
`;

function resolved(...words: string[]): [string, Setting][] {
  return [...resolveSettings(release, words.map(readAssignment), qemu)];
}

const good: [word: string, path: string, value: Setting][] = [
  ['default_memory=4096', 'hypervisor.qemu.default_memory', 4096],
  ['default_memory= 0x1000', 'hypervisor.qemu.default_memory', 4096],
  ['default_vcpus=-1', 'hypervisor.qemu.default_vcpus', -1],
  ['overhead=1', 'hypervisor.qemu.overhead', 1],
  ['overhead=0.5', 'hypervisor.qemu.overhead', 0.5],
  ['kernel_params=a=1 b="c" # d', 'hypervisor.qemu.kernel_params', 'a=1 b="c" # d'],
  ['kernel_params=5', 'hypervisor.qemu.kernel_params', '5'],
  ['kernel_params=', 'hypervisor.qemu.kernel_params', ''],
  ['kernel_params="a \\"b\\""', 'hypervisor.qemu.kernel_params', 'a "b"'],
  ["kernel_params='a'", 'hypervisor.qemu.kernel_params', 'a'],
  ['modules=["a", "b c=1"]', 'hypervisor.qemu.modules', ['a', 'b c=1']],
  ['modules=[]', 'hypervisor.qemu.modules', []],
  ['enable_debug=true', 'hypervisor.qemu.enable_debug', true],
  ['runtime.enable_debug=true', 'runtime.enable_debug', true],
];

const bad: [word: string, code: string, says: RegExp][] = [
  ['default_memory=lots', 'setting-type', /"lots"/],
  ['default_memory="4096"', 'setting-type', /4096/],
  ['default_memory=1.0', 'setting-type', /1\.0/],
  ['default_memory=true', 'setting-type', /true/],
  ['default_memory=', 'setting-type', /""/],
  ['default_memory=9007199254740993', 'setting-type', /9007199254740993/],
  ['default_memory=1 # x', 'setting-type', /#/],
  ['default_memory=1\nkernel = "/x"', 'setting-type', /control characters/],
  ['overhead=nan', 'setting-type', /nan/],
  ['overhead=inf', 'setting-type', /inf/],
  ['enable_debug=yes', 'setting-type', /yes/],
  ['modules=a', 'setting-type', /"a"/],
  ['modules=["a", 1]', 'setting-type', /1/],
  ['modules=[["a"]]', 'setting-type', /\[\[/],
  ['modules=[{a = 1}]', 'setting-type', /a = 1/],
  ['kernel_params="a', 'setting-type', /a/],
  ['kernel_params="a" b = "c"', 'setting-type', /b =/],
  ['kernel_params=a\u0007', 'setting-type', /control characters/],
  ['kernel_params="\\n[runtime]"', 'setting-type', /control characters/],
  ['kernel_params="""a\nb"""', 'setting-type', /control characters/],
  [`kernel_params=${'x'.repeat(10_000)}`, 'setting-type', /10000 characters/],
  ['when=1979-05-28', 'setting-type', /does not set/],
  ['defualt_memory=1', 'setting-unknown', /defualt_memory/],
  ['hypervisor.clh.default_memory=1', 'setting-unknown', /clh/],
  ['enable_tracing=true', 'setting-ambiguous', /agent\.kata\.enable_tracing, runtime\.enable_tracing/],
  ['kernel=/boot/vmlinuz', 'setting-refused', /kernel/],
  ['hypervisor.qemu.kernel=/boot/vmlinuz', 'setting-refused', /kernel/],
  ['hypervisor_name=clh', 'setting-refused', /hypervisor_name/],
  ['jaeger_password=hunter2', 'setting-refused', /secret/],
  ['default_memory', 'usage', /equals/],
  ['=1', 'usage', /key/],
  ['__proto__=1', 'usage', /key/],
  ['a.__proto__.b=1', 'usage', /key/],
  ['"default_memory"=1', 'usage', /key/],
  ['a..b=1', 'usage', /key/],
  ['a b=hunter2', 'usage', /key/],
  [`${'k'.repeat(300)}=1`, 'usage', /key/],
];

describe('what --set means', () => {
  for (const [word, path, value] of good) {
    it(`${word}`, () => {
      assert.deepEqual(resolved(word), [[path, value]]);
    });
  }

  for (const [word, code, says] of bad) {
    it(`refuses ${JSON.stringify(word.slice(0, 60))}: ${code}`, () => {
      assert.throws(
        () => resolved(word),
        (error: { code: string; exitCode: number; complaint: { found: string } }) => {
          assert.equal(error.code, code);
          assert.equal(error.exitCode, 2);
          assert.match(error.complaint.found, says);
          assert.doesNotMatch(JSON.stringify(error.complaint), /hunter2/);
          assert.ok(error.complaint.found.length < 500);
          return true;
        },
      );
    });
  }

  it('names the nearest keys', () => {
    assert.throws(
      () => resolved('defualt_memory=1'),
      (error: { complaint: { details: { nearest: string[] } } }) => error.complaint.details.nearest[0] === 'hypervisor.qemu.default_memory',
    );
  });

  it('refuses every key that moves with the release, in every hypervisor', () => {
    for (const { key } of pathTable.relocated) {
      const text = `[hypervisor.qemu]\n${key} = "x"\n`;

      assert.throws(() => resolveSettings(text, [{ key, text: '/x' }], qemu), { code: 'setting-refused' }, key);
    }
  });

  it('never throws anything but its own errors, and what it accepts fits', () => {
    const words = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc
        .tuple(fc.constantFrom('kernel_params', 'default_memory', 'modules', 'overhead', 'enable_debug'), fc.string({ unit: 'binary' }))
        .map((pair) => pair.join('=')),
      fc.tuple(fc.constantFrom('kernel_params', 'modules'), fc.json()).map((pair) => pair.join('=')),
    );

    fc.assert(
      fc.property(words, (word) => {
        try {
          const found = new Map(resolved(word));
          assert.deepEqual(misfits(release, found, name), []);
          const kept = new Map(Object.entries(JSON.parse(JSON.stringify(Object.fromEntries(found))) as Record<string, Setting>));
          assert.equal(applySettings(release, kept, name), applySettings(release, found, name));
        } catch (error) {
          if (!(error instanceof Error) || error.name !== 'KataError') throw error;
        }
      }),
      { numRuns: 500 },
    );
  });
});

describe('what --unset means', () => {
  const set = [
    'hypervisor.qemu.enable_debug',
    'runtime.enable_debug',
    'agent.kata.enable_tracing',
    'runtime.enable_tracing',
    'runtime.one',
  ];

  it('a whole path, a bare name, and with several the one of the hypervisor', () => {
    assert.equal(findSetting('runtime.enable_debug', set, qemu), 'runtime.enable_debug');
    assert.equal(findSetting('one', set, qemu), 'runtime.one');
    assert.equal(findSetting('enable_debug', set, qemu), 'hypervisor.qemu.enable_debug');
    assert.equal(findSetting('two', set, qemu), undefined);
    assert.throws(() => findSetting('enable_tracing', set, qemu), { code: 'setting-ambiguous' });
  });
});
