import { stripVTControlCharacters } from 'node:util';

/** Columns of a text in a terminal, for the texts of this program: Latin letters and signs one column wide. Takes the place of the package string-width in builds. */
export default function stringWidth(text: string): number {
  return [...stripVTControlCharacters(text)].length;
}
