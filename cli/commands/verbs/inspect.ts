import { resolve } from 'node:path';
import { readImage } from '../../images/index.ts';
import { imageText } from '../imageText.ts';
import type { Call, Reply } from '../types.ts';

export async function run({ words, options, io }: Call): Promise<Reply> {
  const { image, manifest } = await readImage(resolve(io.cwd, words[0]!));
  const verbose = options['verbose'] === true;
  const body = verbose ? { ...image, contents: manifest.contents } : image;
  return { kind: 'Image', body, text: imageText(body) };
}
