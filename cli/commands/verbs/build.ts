import { resolve } from 'node:path';
import { KataError } from '../../errors/index.ts';
import type { ImageFormat } from '../../images/index.ts';
import type { Architecture } from '../../layout/index.ts';
import { build } from '../../operations/build.ts';
import { imageText } from '../imageText.ts';
import { digestsFor, list, text } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run(call: Call): Promise<Reply> {
  const { words, options, io, context } = call;
  const output = text(options['output']);
  if (output === undefined || output === '') throw usage('--output', 'no output file is named', '-o FILE');
  const architecture = text(options['architecture']) as Architecture | undefined;
  const image = await build(context, {
    sources: words.map((word) => resolve(io.cwd, word)),
    digests: digestsFor('build', words, options),
    handlers: list(options['handler']),
    format: (text(options['format']) ?? 'squashfs') as ImageFormat,
    file: resolve(io.cwd, output),
    epoch: epochOf(io.env['SOURCE_DATE_EPOCH']),
    architecture,
  });
  return {
    kind: 'Image',
    body: image,
    made: true,
    text: imageText(image, `Next, on the host: kata-sysext install ${output} --backend sysext --digest ${image.digest}`),
  };
}

/** As reproducible-builds.org defines it: seconds, in decimal. The file systems keep them in 32 bits. */
function epochOf(value: string | undefined): number {
  if (value === undefined || value === '') return 0;
  if (/^\d{1,10}$/.test(value) && Number(value) < 2 ** 32) return Number(value);
  throw usage('SOURCE_DATE_EPOCH', `SOURCE_DATE_EPOCH=${value}`, 'seconds since 1970, in decimal, below 2^32');
}

function usage(subject: string, found: string, needed: string): KataError {
  return new KataError('usage', { subject, found, needed, next: 'kata-sysext build kata-static-4.1.0-amd64.tar.zst -o kata.raw' });
}
