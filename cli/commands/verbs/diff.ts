import { chosenText } from '../../inspect/chosen.ts';
import { diff } from '../../inspect/diff.ts';
import { generationNumber } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run({ context, words }: Call): Promise<Reply> {
  const seen = await diff(
    context.host,
    words.map((word) => generationNumber(word, 'diff')),
  );
  const { aliases, files, handlers, release, configured } = seen;
  const lines = [`generation ${seen.from} (Kata ${release.from}) → generation ${seen.to} (Kata ${release.to})`];
  for (const name of handlers.added) lines.push(`+ handler ${name}`);
  for (const name of handlers.removed) lines.push(`- handler ${name}`);
  for (const { name, handler } of aliases.removed) lines.push(`- alias ${name} → ${handler}`);
  for (const { name, handler } of aliases.added) lines.push(`+ alias ${name} → ${handler}`);
  for (const { name, from, to } of configured) {
    if (chosenText(from) !== '') lines.push(`- ${name}: ${chosenText(from)}`);
    if (chosenText(to) !== '') lines.push(`+ ${name}: ${chosenText(to)}`);
  }
  for (const path of files.added) lines.push(`+ ${path}`);
  for (const path of files.removed) lines.push(`- ${path}`);
  for (const path of files.changed) lines.push(`~ ${path}`);
  return { kind: 'Diff', body: seen, text: lines.length === 1 ? [...lines, 'no difference'] : lines };
}
