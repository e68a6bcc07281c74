import { posix } from 'node:path';

/** A link of a page to a file beside it; links to addresses and places on the same page are no such. */
const link = /(?<!!)\[(?<text>[^\]\n]+)\]\((?<target>[^)\s#:]+)(?:#[^)\s]*)?\)/g;

/** The files that the links of a page lead to, from the root of its tree. */
export function linkedFiles(path: string, page: string): string[] {
  return [...page.matchAll(link)].map(({ groups }) => posix.join(posix.dirname(path), groups!['target']!));
}

/** A page for a package that lacks part of the repository: links to what is not in it become their text. */
export function packaged(path: string, page: string, files: ReadonlySet<string>): string {
  return page.replace(link, (all, text: string, target: string) => (files.has(posix.join(posix.dirname(path), target)) ? all : text));
}
