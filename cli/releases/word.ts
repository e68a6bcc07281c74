/** 'kata@4.2.0': the name of a catalogue, and a version of it. */
const word = /^([a-z][a-z0-9-]{0,31})@(\d{1,4}\.\d{1,4}(?:\.\d{1,4})?(?:-[0-9A-Za-z.]{1,40})?)$/;

/** The name of the catalogue that the program has inside. What follows it is always a version, a wrong one as well. */
export const ownName = 'kata';
const own = /^kata@(.+)$/;

/** Whether a word of the command line names a release by its version. A file of such a name is typed ./kata@… */
export function isRelease(text: string): boolean {
  return own.test(text) || word.test(text);
}

export function catalogueOf(text: string): string {
  return own.test(text) ? ownName : (word.exec(text)?.[1] ?? ownName);
}

export function versionOf(text: string): string {
  return own.exec(text)?.[1] ?? word.exec(text)?.[2] ?? text;
}
