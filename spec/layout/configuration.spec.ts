import assert from 'node:assert/strict';
import toml from '@iarna/toml';
import fc from 'fast-check';
import { pathTable, renderConfiguration, requirements } from '../../cli/layout/index.ts';
import { configurationSets } from './release.ts';

const to = '/usr/share/kata';
const move = { from: '/opt/kata', to, hypervisor: 'qemu' };
for (const { from, files: real } of configurationSets())
  describe(`relocating configurations, ${from}`, () => {
    it('has all six of them', () => {
      assert.equal(real.length, 6);
    });

    for (const { row, text } of real) {
      for (const [ends, source] of [
        ['LF', text],
        ['CRLF', text.replaceAll('\n', '\r\n')],
        ['no newline at the end', text.trimEnd()],
      ] as const) {
        it(`moves every path of ${row.name} and no other byte (${ends})`, () => {
          const result = renderConfiguration(source, { ...move, hypervisor: row.hypervisor });

          // In these files every uncommented /opt/kata is such a path (docs/facts/kata.md#paths-in-configurations), which makes the
          // line-wise answer right.
          const expected = source.split('\n').map((line) => (line.trimStart().startsWith('#') ? line : line.replaceAll('/opt/kata', to)));
          assert.equal(result, expected.join('\n'));
        });
      }

      it(`comes back when ${row.name} is moved there and back, and moving nothing changes nothing`, () => {
        const there = renderConfiguration(text, { ...move, hypervisor: row.hypervisor });
        const back = renderConfiguration(there, { from: to, to: '/opt/kata', hypervisor: row.hypervisor });

        assert.equal(back, text);
        assert.equal(renderConfiguration(text, { ...move, from: '/nowhere', hypervisor: row.hypervisor }), text);
      });
    }

    it('names what the default handler needs', () => {
      const qemu = real.find(({ row }) => row.name === 'qemu-runtime-rs')!;

      assert.deepEqual(
        requirements(qemu.text, 'qemu').map(({ key, value, kind }) => `${kind} ${key} ${value}`),
        [
          'file path /opt/kata/bin/qemu-system-x86_64',
          'file kernel /opt/kata/share/kata-containers/vmlinux.container',
          'file image /opt/kata/share/kata-containers/kata-containers.img',
          'glob valid_hypervisor_paths /opt/kata/bin/qemu-system-x86_64',
          'file virtio_fs_daemon /opt/kata/libexec/virtiofsd',
          'glob valid_virtio_fs_daemon_paths /opt/kata/libexec/virtiofsd',
        ],
      );
    });
  });

const table = [
  { title: 'a literal string', from: `path = '/opt/kata/bin/q'`, to: `path = '${to}/bin/q'` },
  { title: 'a folded string', from: 'path = """\n/opt/kata/bin/q"""', to: `path = "${to}/bin/q"` },
  { title: 'a string over lines', from: 'path = """/opt/kata/bin/q"""', to: `path = """${to}/bin/q"""` },
  { title: 'an escaped spelling', from: 'path = "\\u002Fopt/kata/bin/q"', to: `path = "${to}/bin/q"` },
  { title: 'an escape after the prefix', from: 'path = "/opt/kata/b\\u0069n"', to: `path = "${to}/b\\u0069n"` },
  { title: 'the prefix itself', from: 'firmware_volume = "/opt/kata"', to: `firmware_volume = "${to}"` },
  {
    title: 'an array with comments',
    from: 'pflashes = [ # a\n  "/opt/kata/a", # /opt/kata/b\n  \'/opt/kata/c\',\n]',
    to: `pflashes = [ # a\n  "${to}/a", # /opt/kata/b\n  '${to}/c',\n]`,
  },
  {
    title: 'a glob',
    from: 'valid_hypervisor_paths = ["/opt/kata/bin/q*", "/usr/bin/q"]',
    to: `valid_hypervisor_paths = ["${to}/bin/q*", "/usr/bin/q"]`,
  },
  {
    title: 'a table in a list',
    from: '[[hypervisor.qemu.guest_extension_images]]\nname = "/opt/kata/n"\npath = "/opt/kata/p"',
    to: `[[hypervisor.qemu.guest_extension_images]]\nname = "/opt/kata/n"\npath = "${to}/p"`,
  },
  {
    title: 'an inline table in a list',
    from: 'guest_extension_images = [{ path = "/opt/kata/p", verity_params = "/opt/kata/v" }]',
    to: `guest_extension_images = [{ path = "${to}/p", verity_params = "/opt/kata/v" }]`,
  },
];
const stays = [
  'path = ""',
  'path = "/opt/kata-other/bin/q"',
  'path = "/opt/katabin"',
  'kernel = "/usr/share/cloud-hypervisor/vmlinux.bin"',
  'kernel_params = "x=/opt/kata/y"',
  'unknown = "/opt/kata/x"',
  '# path = "/opt/kata/x"',
  'factory = { template_path = "/opt/kata/x", path = "/opt/kata/x" }',
  '[hypervisor.other]\npath = "/opt/kata/x"',
  '[agent.kata]\npath = "/opt/kata/x"',
  '[runtime]\nimage = "/opt/kata/x"',
  ...pathTable.never.map((key) => `${key} = "/opt/kata/x"`),
];

describe('relocating a configuration', () => {
  for (const { title, from, to } of table) {
    it(`moves ${title}`, () => {
      const head = '[hypervisor.qemu] # "/opt/kata/"\n';

      const result = renderConfiguration(`${head}${from}\n`, move);

      assert.equal(result, `${head}${to}\n`);
    });
  }

  for (const line of stays) {
    it(`leaves ${JSON.stringify(line)} alone`, () => {
      const text = `[hypervisor.qemu]\n${line}\r\n`;

      assert.equal(renderConfiguration(text, move), text);
    });
  }

  it('moves dotted and quoted keys', () => {
    const text = `hypervisor.qemu.path = "/opt/kata/a"\n["hypervisor".'other']\npath = "/opt/kata/b"\n`;

    assert.equal(renderConfiguration(text, move), text.replace('/opt/kata/a', `${to}/a`));
  });

  for (const [title, text] of [
    ['that is no TOML', '[hypervisor.qemu]\npath = '],
    ['with a key twice', '[hypervisor.qemu]\npath = "a"\npath = "b"'],
    ['without the table', '[hypervisor.clh]\npath = "/opt/kata/x"'],
    ['that climbs out', '[hypervisor.qemu]\npath = "/opt/kata/../../etc/x"'],
    ['nested without end', `[hypervisor.qemu]\nx = ${'['.repeat(200_000)}`],
  ] as const) {
    it(`refuses one ${title}`, () => {
      assert.throws(() => renderConfiguration(text, move), { code: 'bundle-configuration' });
    });
  }

  it('changes, as TOML sees it, the relocatable values and nothing else', () => {
    const keys = fc.constantFrom(...pathTable.relocated.map(({ key }) => key), ...pathTable.never, 'other');
    const tail = fc.string({ unit: 'binary', maxLength: 12 }).map((text) => text.replaceAll(/\.\.|\0/g, ''));
    const value = fc.tuple(fc.constantFrom('/opt/kata/', '/opt/kata', '/opt/katamaran/', ''), tail).map((parts) => parts.join(''));
    const place = fc.oneof(
      fc.constant(to),
      tail.map((text) => `/${text}'"\\\u007f`),
    );
    const relocated = new Set(pathTable.relocated.map(({ key }) => key));

    fc.assert(
      fc.property(fc.dictionary(keys, fc.oneof(value, fc.array(value, { maxLength: 3 }))), place, fc.boolean(), (entries, place, crlf) => {
        const lines = Object.entries(entries).map(
          ([key, one]) => `${key} = ${Array.isArray(one) ? `[${one.map(literal).join(', ')}]` : literal(one)} # /opt/kata/`,
        );
        const text = ['[hypervisor.qemu]', ...lines, ''].join(crlf ? '\r\n' : '\n');

        const result = renderConfiguration(text, { ...move, to: place });

        const moved = (one: string): string =>
          one === '/opt/kata' || one.startsWith('/opt/kata/') ? place + one.slice('/opt/kata'.length) : one;
        const expected = Object.fromEntries(
          Object.entries(entries).map(([key, one]) => [key, !relocated.has(key) ? one : Array.isArray(one) ? one.map(moved) : moved(one)]),
        );
        // The judge takes the CR at the end of a comment for a forbidden character.
        const seen = (toml.parse(result.replaceAll('\r\n', '\n'))['hypervisor'] as toml.JsonMap)['qemu'] as toml.JsonMap;
        assert.deepEqual({ ...seen }, expected);
        assert.equal(result.split(' # /opt/kata/').length, lines.length + 1);
      }),
      { numRuns: 500 },
    );
  });
});

function literal(value: string): string {
  return JSON.stringify(value).replaceAll('\u007f', '\\u007f');
}
