import assert from 'node:assert/strict';
import { firstThatSpeaks, forgets, mixing, newestSpoken, protocolOf } from '../../cli/shimProtocol/index.ts';

describe('versions of the shim protocol', () => {
  for (const [services, family, wanted] of [
    [[2], 'go', 2],
    [[3], 'go', 3],
    [[2], 'rust', 2],
    [[3], 'rust', 3],
    [[], 'rust', 2],
    [[], 'go', undefined],
    [[2, 3], 'go', undefined],
    [[2, 3], 'rust', undefined],
  ] as [number[], 'go' | 'rust', number | undefined][]) {
    it(`of a ${family} shim with the task services [${services}]: ${wanted ?? 'not known'}`, () => {
      assert.equal(protocolOf(services, family), wanted);
    });
  }

  for (const [engine, version, wanted] of [
    ['containerd', '1.6.20~ds1', 2],
    ['containerd', '1.7', 2],
    ['containerd', '1.7.24', 2],
    ['containerd', '2.0.0', 3],
    ['containerd', '2.1', 3],
    ['containerd', '10.0', 3],
    ['containerd', undefined, undefined],
    ['containerd', 'no version', undefined],
    ['crio', '1.36.3', 2],
    ['crio', undefined, 2],
    ['somebody', '1.0', undefined],
  ] as [string, string | undefined, number | undefined][]) {
    it(`${engine} ${version ?? 'of unknown version'} speaks ${wanted ?? 'nobody knows what'} at most`, () => {
      assert.equal(newestSpoken(engine, version), wanted);
    });
  }

  it('names the first version of an engine that speaks one', () => {
    assert.equal(firstThatSpeaks('containerd', 3), '2.0.0');
    assert.equal(firstThatSpeaks('containerd', 4), undefined);
    assert.equal(firstThatSpeaks('crio', 3), undefined);
  });

  for (const [version, protocol, wanted] of [
    ['1.7.24', 2, false],
    ['2.0.5', 2, true],
    ['2.0.6', 2, false],
    ['2.1.9', 2, false],
    ['2.0.5', 3, true],
    ['2.0.6', 3, true],
    ['2.1.9', 3, true],
    // of some 2.0 it is not known, and a warning that is wrong for most of them would teach people to skip warnings
    ['2.0', 2, false],
    ['2.2', 3, true],
    [undefined, 3, false],
  ] as [string | undefined, number, boolean][]) {
    it(`containerd ${version} ${wanted ? 'forgets' : 'keeps'} containers of shims of version ${protocol} at a restart`, () => {
      assert.equal(forgets('containerd', version, protocol), wanted);
    });
  }

  for (const [version, running, next, wanted] of [
    ['2.1.0', 2, 3, '2.1.2'],
    ['2.1.1', 2, 3, '2.1.2'],
    ['2.1.2', 2, 3, undefined],
    ['2.1.1', 3, 2, undefined],
    ['2.1.1', 2, 2, undefined],
    ['1.7.24', 2, 2, undefined],
  ] as [string, number, number, string | undefined][]) {
    it(`containerd ${version} ${wanted === undefined ? 'takes' : 'loses'} a container of a shim ${next} in a sandbox of a shim ${running}`, () => {
      assert.equal(mixing('containerd', version, running, next)?.fixed, wanted);
    });
  }
});
