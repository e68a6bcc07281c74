import assert from 'node:assert/strict';
import { readSetting, settingText } from '../../../cli/layout/settings/kinds.ts';
import { restoring } from '../../../cli/planning/choices/restoring.ts';
import type { Choices, GenerationHandler, Setting } from '../../../cli/store/index.ts';

const handlers = [
  { name: 'kata-qemu', hypervisor: 'qemu' },
  { name: 'kata-clh', hypervisor: 'clh' },
] as GenerationHandler[];

function line(choices: Partial<Choices>, only = handlers) {
  const all = { aliases: {}, profiles: {}, settings: {}, ...choices };
  const { line: words, findings } = restoring({ sources: [], handlers: only, choices: all, backend: 'prefix', format: 'directory' }, []);
  return { words: words.replace(/^.*--backend prefix ?/, ''), next: findings.map(({ next }) => next) };
}

describe('the words that bring an installation back', () => {
  const memory = (qemu: number, clh: number) => ({
    'kata-qemu': { 'hypervisor.qemu.default_memory': qemu },
    'kata-clh': { 'hypervisor.clh.default_memory': clh },
  });
  const rows: [title: string, given: Partial<Choices>, words: string, next: string[]][] = [
    ['nothing chosen', {}, '', []],
    ['the same in the table of each hypervisor', { settings: memory(4096, 4096) }, '--set default_memory=4096', []],
    [
      'another value in each',
      { settings: memory(4096, 2048) },
      '',
      [
        'kata-sysext configure --handler kata-qemu --set hypervisor.qemu.default_memory=4096',
        'kata-sysext configure --handler kata-clh --set hypervisor.clh.default_memory=2048',
      ],
    ],
    [
      'a key of one and a key of both',
      { settings: { 'kata-qemu': { 'agent.kata.a': true, 'runtime.b': 'x y' }, 'kata-clh': { 'runtime.b': 'x y' } } },
      "--set 'runtime.b=x y'",
      ['kata-sysext configure --handler kata-qemu --set agent.kata.a=true'],
    ],
    ['profiles of all, in their order', { profiles: { 'kata-qemu': ['b', 'a'], 'kata-clh': ['b', 'a'] } }, '--profile b --profile a', []],
    ['a profile of one', { profiles: { 'kata-clh': ['debug'] } }, '', ['kata-sysext configure --handler kata-clh --profile debug']],
  ];
  for (const [title, given, words, next] of rows) {
    it(title, () => {
      assert.deepEqual(line(given), { words, next });
    });
  }

  it('of an alias with files of the user name its base, and each file where it is or a place to fill in', () => {
    const digest = `sha256:${'0'.repeat(64)}` as const;
    const file = { name: 'a b', path: 'share/kata-sysext/new.kernel', digest, sizeBytes: 1 };
    const files = [
      { ...file, kind: 'kernel' as const, place: '/bin/sh' },
      { ...file, kind: 'initrd' as const },
      { ...file, kind: 'firmware' as const },
    ];

    const own = { ...handlers[0]!, name: 'new', own: { base: 'kata-qemu', files } };
    const choices = { aliases: {}, profiles: {}, settings: {} };
    const made = { sources: [], handlers: [handlers[0]!, own], choices, backend: 'prefix', format: 'directory' as const };

    const { line: words } = restoring(made, []);

    assert.equal(
      words,
      "--handler kata-qemu --alias new=kata-qemu --component new:kernel=/bin/sh --component 'new:initrd=/PATH/TO/a b' --component 'new:firmware=/PATH/TO/a b' --backend prefix",
    );
  });

  it('of one handler name whole paths', () => {
    const { words } = line({ settings: memory(4096, 1) }, handlers.slice(0, 1));

    assert.equal(words, '--set hypervisor.qemu.default_memory=4096');
  });

  const values: [value: Setting, of: Parameters<typeof readSetting>[1]['of']][] = [
    ['', 'string'],
    [' "quoted" # not a comment', 'string'],
    ["'single'", 'string'],
    ['a = "b"', 'string'],
    [true, 'boolean'],
    [-7, 'integer'],
    [2, 'float'],
    [0.5, 'float'],
    [['a, b', '"', '\\', 'ü'], 'string'],
    [[], 'string'],
    [[1, 2], 'integer'],
    [[1, 0.5], 'float'],
    [[1, 2], 'float'],
  ];
  for (const [value, of] of values) {
    it(`a ${of} is read as it was: ${JSON.stringify(value)}`, () => {
      const list = Array.isArray(value);

      assert.deepEqual(readSetting(settingText(value), { of, list }), { value });
    });
  }
});
