import assert from 'node:assert/strict';
import fc from 'fast-check';
import type { WiringPlan } from '../../../cli/engines/index.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { handlerTable } from '../../../cli/layout/index.ts';
import { aliasRequests } from '../../../cli/planning/choices/aliases.ts';
import { refuseTaken, removedHandlerNames } from '../../../cli/preflight/switch.ts';
import type { GenerationManifest } from '../../../cli/store/index.ts';

function manifest(handlers: Record<string, 'go' | 'rust'>, aliases: Record<string, string>): GenerationManifest {
  const rows = Object.entries(handlers).map(([name, family]) => ({ name, family }));
  return { handlers: rows, choices: { aliases, profiles: {}, settings: {} } } as unknown as GenerationManifest;
}

describe('the words of --alias', () => {
  it('give names that a RuntimeClass may have and nobody else uses, or a complaint, whatever they are', () => {
    // Kubernetes' own words: at most 63 characters, lower-case letters, digits and hyphens, beginning and ending with no hyphen.
    const allowed = new Set('abcdefghijklmnopqrstuvwxyz0123456789-');
    const taken = new Set(['runc', 'crun', 'untrusted', ...handlerTable.handlers.flatMap(({ name }) => [name, `kata-${name}`])]);
    const near = fc.stringMatching(/^[a-z0-9.-]{0,70}$/);
    const name = fc.oneof(fc.string(), near, fc.constantFrom(...taken));

    fc.assert(
      fc.property(name, fc.constantFrom('qemu', 'kata-clh', '', 'nobody'), (word, target) => {
        try {
          for (const wish of aliasRequests([`${word}=${target}`])) {
            assert.ok(wish.name.length > 0 && wish.name.length < 64 && [...wish.name].every((char) => allowed.has(char)));
            assert.ok(!wish.name.startsWith('-') && !wish.name.endsWith('-') && !taken.has(wish.name));
            assert.ok(wish.handler === undefined || wish.handler.startsWith('kata-'));
          }
        } catch (error) {
          assert.ok(error instanceof KataError && ['usage', 'handler-unknown'].includes(error.code), String(error));
        }
      }),
    );
  });

  it('refuse the names that no document may have as a key', () => {
    for (const name of ['constructor', 'prototype', '__proto__']) {
      const wish = () => aliasRequests([`${name}=qemu`]);

      assert.throws(wish, (error) => error instanceof KataError && error.code === 'usage');
    }
  });

  it('take a handler by either name', () => {
    assert.deepEqual(aliasRequests(['a=qemu', 'b=kata-qemu', 'c=']), [
      { name: 'a', handler: 'kata-qemu' },
      { name: 'b', handler: 'kata-qemu' },
      { name: 'c' },
    ]);
  });
});

describe('names that go, whose sandboxes a change has to leave alone', () => {
  const before = ['kata', 'kata-clh', 'kata-qemu'];
  const from = manifest({ 'kata-clh': 'go', 'kata-qemu': 'go' }, { kata: 'kata-qemu' });
  const rows: [title: string, to: GenerationManifest | undefined, going: string[]][] = [
    ['none when all stays', from, []],
    ['all when Kata goes', undefined, before],
    ['a handler that goes', manifest({ 'kata-qemu': 'go' }, { kata: 'kata-qemu' }), ['kata-clh']],
    ['an alias that goes', manifest({ 'kata-clh': 'go', 'kata-qemu': 'go' }, {}), ['kata']],
    ['an alias that is led elsewhere', manifest({ 'kata-clh': 'go', 'kata-qemu': 'go' }, { kata: 'kata-clh' }), ['kata']],
    ['an alias whose handler goes', manifest({ 'kata-clh': 'go' }, { kata: 'kata-clh' }), ['kata', 'kata-qemu']],
    [
      'a handler with another shim, and its alias',
      manifest({ 'kata-clh': 'go', 'kata-qemu': 'rust' }, { kata: 'kata-qemu' }),
      ['kata', 'kata-qemu'],
    ],
  ];
  for (const [title, to, going] of rows) {
    it(title, () => {
      assert.deepEqual(removedHandlerNames(before, from, to), going);
    });
  }
});

describe('a name that the engine lists', () => {
  const plan = (subjects: string[]) => ({ findings: subjects.map((subject) => ({ subject })) }) as unknown as WiringPlan;

  it('is somebody else’s, unless we made it or it stands in the files as we need it', () => {
    assert.throws(
      () => refuseTaken(['', 'runc', 'vm'], ['vm', 'kata-qemu'], ['kata-qemu'], plan([])),
      (error: KataError) => error.code === 'engine-foreign-handler' && error.complaint.subject === 'vm',
    );
    refuseTaken(['', 'runc', 'vm'], ['vm'], ['vm'], plan([]));
    refuseTaken(['', 'runc', 'vm'], ['vm'], [], plan(['vm']));
    refuseTaken(['', 'runc'], ['vm'], [], plan([]));
  });
});
