import { codes, didYouMean, exitText, KataError } from '../../errors/index.ts';
import type { Call, Reply } from '../types.ts';

export async function run({ words }: Call): Promise<Reply> {
  const [code] = words;
  if (code === undefined)
    return { kind: 'Codes', body: { codes }, text: Object.entries(codes).map(([name, row]) => `${name.padEnd(26)} ${row.explain}`) };
  const row = Object.hasOwn(codes, code) ? codes[code] : undefined;
  if (row === undefined)
    throw new KataError('unknown-code', {
      subject: code,
      found: `there is no code “${code}”${didYouMean(code, Object.keys(codes))}`,
      needed: 'a code as an error names it',
      next: 'kata-sysext explain',
    });
  const way = row.overridable ? `It can be overridden: --allow ${code}` : 'It cannot be overridden.';
  return { kind: 'Codes', body: { codes: { [code]: row } }, text: [`${code} (exit status ${exitText(row)})`, row.explain, way] };
}
