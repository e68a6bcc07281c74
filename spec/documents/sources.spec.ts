import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repo } from '../support/program.ts';

/** Calls that read a document or lead to inherited properties, and the only files that may have them. */
const rows: [call: RegExp, files: string[], why: string][] = [
  [/JSON\s*(\?\.|\.)\s*parse|JSON\s*\[|[{,]\s*parse\b[^}]*}\s*=\s*JSON/, ['documents/json.ts'], 'parseJson reads every JSON text'],
  [/getStaticTOMLValue/, [], 'its tables inherit from Object.prototype'],
  [/\bparseTOML\b/, ['documents/toml/document.ts'], 'parseProgram measures a text before'],
  [/@iarna\/toml/, ['documents/toml/readings.ts'], 'it sees only what the first parser has read'],
  [/\.__proto__|\['__proto__'\]/, [], 'the accessor is gone'],
];

describe('documents: the sources', () => {
  const files = readdirSync(join(repo, 'cli'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
  const code = new Map(files.map((name) => [name, withoutComments(readFileSync(join(repo, 'cli', name), 'utf8'))]));

  for (const [call, allowed, why] of rows) {
    it(`${call.source} is in ${allowed.join(', ') || 'no file'}: ${why}`, () => {
      const found = [...code].filter(([, text]) => call.test(text)).map(([name]) => name);

      assert.deepEqual(found, allowed);
      assert.ok(files.length > 300);
    });
  }

  it('the program is hardened before anything else is loaded', () => {
    const [first] = code.get('main.ts')!.match(/^import .*$/m) ?? [];

    assert.equal(first, "import './harden.ts';");
    assert.equal(/^\s*import\b/m.test(code.get('harden.ts')!), false);
  });
});

function withoutComments(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
}
