import assert from 'node:assert/strict';
import fc from 'fast-check';
import { KataError } from '../../../cli/errors/index.ts';
import { namesOfWords } from '../../../cli/planning/choices/componentWords.ts';

const names = (aliases: string[], components: string[]) => namesOfWords(aliases, components, (path) => `/cwd/${path}`);

describe('the words of --alias and --component', () => {
  const rows: [title: string, aliases: string[], components: string[], wanted: ReturnType<typeof names>][] = [
    [
      'one alias needs no name before the kind',
      ['new'],
      ['kernel=vmlinux', 'initrd=initrd=1:2.gz'],
      {
        aliases: [],
        own: [
          {
            name: 'new',
            base: undefined,
            files: [
              { kind: 'kernel', file: '/cwd/vmlinux' },
              { kind: 'initrd', file: '/cwd/initrd=1:2.gz' },
            ],
          },
        ],
      },
    ],
    [
      'several are named, and a handler says on which one each is based',
      ['a=qemu', 'kata=clh'],
      ['a:kernel=x', 'b:image=y'],
      {
        aliases: [{ name: 'kata', handler: 'kata-clh' }],
        own: [
          { name: 'a', base: 'kata-qemu', files: [{ kind: 'kernel', file: '/cwd/x' }] },
          { name: 'b', base: undefined, files: [{ kind: 'image', file: '/cwd/y' }] },
        ],
      },
    ],
    [
      'an alias with a handler alone stays a second name',
      ['kata=qemu', 'old='],
      [],
      { aliases: [{ name: 'kata', handler: 'kata-qemu' }, { name: 'old' }], own: [] },
    ],
    [
      'an alias that goes is none that a component could be for',
      ['old=', 'new'],
      ['kernel=x'],
      { aliases: [{ name: 'old' }], own: [{ name: 'new', base: undefined, files: [{ kind: 'kernel', file: '/cwd/x' }] }] },
    ],
  ];
  for (const [title, aliases, components, wanted] of rows)
    it(title, () => {
      const seen = names(aliases, components);

      assert.deepEqual(seen, wanted);
    });

  const refused: [what: string, aliases: string[], components: string[], says: RegExp][] = [
    ['a component without an alias', [], ['kernel=x'], /without an alias/],
    ['a component without a name where there are two', ['a=qemu', 'b'], ['kernel=x'], /several aliases \(b, a\)/],
    ['an alias without a handler and a component', ['a'], [], /--alias a/],
    ['an unknown kind', ['a'], ['modules=x'], /--component modules=x/],
    ['no file', ['a'], ['kernel='], /--component kernel=/],
    ['one kind twice', ['a'], ['kernel=x', 'a:kernel=y'], /named twice/],
    ['an image and an initrd', ['a'], ['image=x', 'initrd=y'], /an image and an initrd/],
    ['an alias that goes and gets a file', ['a='], ['a:kernel=x'], /together with a component/],
    ['the name of a handler', ['qemu'], ['kernel=x'], /a handler’s own/],
    ['the name of a handler before a kind', [], ['kata-clh:kernel=x'], /a handler’s own/],
    ['a name that the engine keeps', [], ['runc:kernel=x'], /belongs to the engine/],
    ['a name that is a path', [], ['..:kernel=x'], /the name/],
  ];
  for (const [what, aliases, components, says] of refused)
    it(`${what} is refused`, () => {
      assert.throws(
        () => names(aliases, components),
        (error) => error instanceof KataError && error.code === 'usage' && says.test(error.complaint.found),
      );
    });

  it('whatever they are, give names that a RuntimeClass may have, or a complaint', () => {
    const near = fc.stringMatching(/^[a-z0-9.:/=-]{0,20}$/);
    const word = fc.oneof(
      fc.string(),
      near,
      near.map((each) => `${each}:kernel=f`),
      fc.constantFrom('kernel=f', '__proto__:kernel=f', 'a', 'a=qemu'),
    );

    fc.assert(
      fc.property(fc.array(word, { maxLength: 3 }), fc.array(word, { maxLength: 3 }), (aliases, components) => {
        try {
          for (const { name, files } of names(aliases, components).own) {
            assert.match(name, /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/);
            assert.ok(files.length > 0 && name !== 'runc');
          }
        } catch (error) {
          assert.ok(error instanceof KataError && ['usage', 'handler-unknown'].includes(error.code), String(error));
        }
      }),
    );
  });
});
