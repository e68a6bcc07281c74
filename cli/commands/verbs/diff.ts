import { KataError } from '../../errors/index.ts';
import { diff } from '../../inspect/diff.ts';
import type { Call, Reply } from '../types.ts';

export async function run({ context, words }: Call): Promise<Reply> {
  const seen = await diff(context.host, words.map(number));
  const { files, handlers, release } = seen;
  const lines = [`generation ${seen.from} (Kata ${release.from}) → generation ${seen.to} (Kata ${release.to})`];
  for (const name of handlers.added) lines.push(`+ handler ${name}`);
  for (const name of handlers.removed) lines.push(`- handler ${name}`);
  for (const path of files.added) lines.push(`+ ${path}`);
  for (const path of files.removed) lines.push(`- ${path}`);
  for (const path of files.changed) lines.push(`~ ${path}`);
  return { kind: 'Diff', body: seen, text: lines.length === 1 ? [...lines, 'no difference'] : lines };
}

function number(word: string): number {
  if (/^[1-9]\d{0,8}$/.test(word)) return Number(word);
  throw new KataError('usage', {
    subject: word,
    found: `“${word}” is no generation`,
    needed: 'numbers of generations',
    next: 'kata-sysext status',
  });
}
