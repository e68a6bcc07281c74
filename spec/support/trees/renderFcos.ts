import { run } from '../program.ts';

import { releases } from './treeHost.ts';

/** Generates the form *rendered* for Fedora CoreOS with CRI-O into a folder; `source`: an image in place of the first release. */
export async function renderFcos(output: string, more: string[] = [], options: Parameters<typeof run>[1] = {}, source?: string) {
  const first = source ?? (await releases()).first;
  const request = ['--target', 'fcos', '--form', 'rendered', '--engine', 'crio@1.34', '--from', 'https://files.example.org/kata'];
  return run(['generate', 'ignition', first, ...request, '-o', output, ...more], options);
}
