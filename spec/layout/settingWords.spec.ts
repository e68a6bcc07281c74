import assert from 'node:assert/strict';
import fc from 'fast-check';
import { pathTable } from '../../cli/layout/index.ts';
import { applySettings, findSetting, misfits, readAssignment, resolveSettings } from '../../cli/layout/settings/index.ts';
import type { Setting } from '../../cli/layout/types.ts';

const qemu = { name: 'kata-qemu', hypervisor: 'qemu' };
const name = 'configuration.toml';

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
  [`kernel_params=${'x'.repeat(10_000)}`, 'setting-type', /10000 characters, and more than \d+ are not kept/],
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

  it('a bare name means the one of the hypervisor, wherever its table stands, and of no other hypervisor', () => {
    const text = '[runtime]\nflag = false\n[hypervisor.clh]\nflag = false\n[hypervisor.qemu]\nflag = false\n';
    const wish = [{ key: 'flag', text: 'true' }];

    assert.deepEqual([...resolveSettings(text, wish, qemu).keys()], ['hypervisor.qemu.flag']);
    assert.throws(() => resolveSettings(text, wish, { name: 'kata-fc', hypervisor: 'firecracker' }), { code: 'setting-ambiguous' });
  });

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
