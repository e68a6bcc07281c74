/** Masks of what differs from run to run: sizes, times, digests, numbers, versions, files of releases, roots of trees, widths of columns. */
const masks: [RegExp, string][] = [
  [/ --root \/[^\s;]+/g, ''],
  [/ --engine (?:containerd|crio)(?:@[\d.]+)?/g, ''],
  // A page shows the host that runs, where a file is not below the root of a tree.
  [/\/[^\s;]*kata-sysext-\w+-\w{6}(?:\/host)?(?=\/(?:etc|usr|var|run|opt)\/)/g, ''],
  [/\/[^\s;]*kata-sysext-\w+-\w{6}(?:\/host)?(?=[/\s;]|$)|\/root(?=\/)/g, 'TREE'],
  [/\S*kata-(?:go-)?static-\d[^\s;]*/g, 'BUNDLE'],
  [/(?:BUNDLE )+BUNDLE/g, 'BUNDLE'],
  [/\b\d{4}-\d\d-\d\dT[\d:.]+(?:Z|\+00:00)/g, 'TIME'],
  [/sha256:[0-9a-f]+/g, 'sha256:HEX'],
  [/\b[0-9a-f]{8,64}\b(?:\.\.\.)?/g, 'HEX'],
  [/\b\d+(?:\.\d+)? [kMG]?B\b/g, 'N B'],
  [/\b\d+(?:\.\d+)? (?:s|min|h|d)\b/g, 'N s'],
  [/ {2}–(?= {2})/g, '  N s'],
  [/@(?:\d[\d.]*)/g, ''],
  [/\b\d+\.\d+(?:\.\d+)?(?:-lab\d)?\b/g, 'V'],
  [/(?<![\w-])\d+(?![\w-])/g, 'N'],
  [/(?<=\S) {2,}/g, '  '],
  [/(?<=N )replacements?/g, 'replacements'],
  [/^ {20,}/g, ' '.repeat(20)],
  // What is active on a running host is staged in a tree, where nothing is restarted.
  [/^(?<mark>[●◦ ] N {2})(?:active|staged) /g, '$<mark>ACTIVE '],
  [/(?<= {2}(?:done|undone|not-restored) {2})\S+ {2}\S+/g, 'SECONDS  USER'],
  [/nothing restarted|restarted (?:containerd|crio)\.service/g, 'RESTARTED'],
  [/ +$/g, ''],
];

export function masked(line: string): string {
  return masks.reduce((text, [pattern, sign]) => text.replace(pattern, sign), line);
}

/** Whether a shown line is this printed one; `…` and `...` in it stand for any text. */
export function isLine(shown: string, printed: string): boolean {
  const parts = masked(shown).split(/…|\.\.\./);
  if (parts.length === 1) return parts[0] === printed;
  const pattern = parts.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('.*');
  return new RegExp(`^${pattern}$`).test(printed);
}
