import assert from 'node:assert/strict';
import fc from 'fast-check';
import { fillGroups, fillJson } from '../../cli/guest/commandLine.ts';

describe('filling a hypervisor’s words', () => {
  it('leaves out a group without a value, repeats one with several, doubles commas where it is asked to', () => {
    const groups = [['-a'], ['-b', '{one}'], ['-c', 'file={path,},x=on'], ['-d', '{none}'], ['-e', '{many}', '{one}']];

    const words = fillGroups(groups, { one: '1', path: '/a,b', none: undefined, many: ['x', 'y'] });

    assert.deepEqual(words, ['-a', '-b', '1', '-c', 'file=/a,,b,x=on', '-e', 'x', '1', '-e', 'y', '1']);
  });

  it('fills a JSON value the same way', () => {
    const content = { a: '{one}', b: '{none}', list: [{ path: '{none}', c: 1 }, { path: '{one}' }], deep: { n: 5, yes: true } };

    assert.deepEqual(fillJson(content, { one: '1' }), { a: '1', list: [{ path: '1' }], deep: { n: 5, yes: true } });
  });

  it('no value begins an option of its own, and none is filled a second time', () => {
    fc.assert(
      fc.property(fc.string(), (value) => {
        const [word] = fillGroups([['file={path,},readonly=on']], { path: value, readonly: 'no' });

        // QEMU's own rule: a comma that stands alone ends the value.
        const inner = word!.slice('file='.length, -',readonly=on'.length);
        assert.equal(inner.replaceAll(',,', ','), value);
        assert.equal(inner.replaceAll(',,', '').includes(','), false);
      }),
    );
  });
});
