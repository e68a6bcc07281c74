import type { Image } from '../images/index.ts';
import { bytes } from '../output/index.ts';

/** An image for people. */
export function imageText(image: Image, last?: string): string[] {
  const { file, sizeBytes, contentBytes, files, format, release, architecture, handlers, sources, tool, epoch } = image;
  const share = contentBytes === 0 ? '' : `, ${Math.round((100 * sizeBytes) / contentBytes)} % of what is in it`;
  return [
    `${file}: ${format}, ${bytes(sizeBytes)}${share}`,
    `digest:   ${image.digest}`,
    `release:  Kata ${release}, ${architecture}`,
    ...handlers.map(({ name, family, hypervisor }) => `handler:  ${name}  (${hypervisor}, ${family === 'go' ? 'Go' : 'Rust'})`),
    `files:    ${files}, ${bytes(contentBytes)}`,
    ...sources.map((source) => `from:     ${source.name} ${source.digest}`),
    `made by:  kata-sysext ${image.program} with ${tool}; times in it: ${new Date(epoch * 1000).toISOString()}; not signed`,
    ...(image.contents ?? []).map(
      ({ path, kind, mode, context, digest, target }) =>
        `  ${mode.toString(8).padStart(4, '0')} ${context} ${path}${ending(kind, digest, target)}`,
    ),
    ...(last === undefined ? [] : [last]),
  ];
}

function ending(kind: string, digest?: string, target?: string): string {
  if (kind === 'directory') return '/';
  return kind === 'symlink' ? ` -> ${target}` : ` ${digest}`;
}
