import { verify } from '../../inspect/verify.ts';
import { bytes } from '../../report/index.ts';
import type { Call, Reply } from '../types.ts';

export async function run({ context }: Call): Promise<Reply> {
  const seen = await verify(context.host);
  const sum = `generation ${seen.generation}: ${seen.filesChecked} files, ${bytes(seen.bytesChecked)}`;
  const text =
    seen.drift.length === 0
      ? [`✓ ${sum}, all as installed`]
      : [...seen.drift.map((finding) => `✗ ${finding.found}`), `${sum}: differing: ${seen.drift.length}. Next: ${seen.drift[0]?.next}`];
  return { kind: 'Verification', body: seen, text, exitCode: seen.drift.length === 0 ? 0 : 1 };
}
