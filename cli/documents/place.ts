/** Where an offset of a text is, as editors count: lines end with LF, columns are characters, and a byte order mark counts for nothing. */
export function placeAt(text: string, offset: number): string {
  const before = text.slice(text.startsWith('\ufeff') ? 1 : 0, offset).split('\n');
  return `line ${before.length}, column ${[...before.at(-1)!].length + 1}`;
}

/** Whether a text has a place that a program has yet to fill in: {{ … }} of Go, Jinja, Handlebars, Mustache, {% … %}, or <% … %> of ERB. */
export function isPlaceholder(text: string): boolean {
  return [
    ['{{', '}}'],
    ['{%', '%}'],
    ['<%', '%>'],
  ].some(([opens, closes]) => {
    const at = text.indexOf(opens!);
    return at >= 0 && text.indexOf(closes!, at + 2) >= 0;
  });
}

/**
 * Whether a value has one of those, or begins with the variable of a shell or another program (${NAME}, @@NAME@@): for a file whose reader expands
 * none, as containerd, CRI-O and dockerd. In the middle of a value such signs may be meant, as in a password.
 */
export function isUnfilled(value: string): boolean {
  return isPlaceholder(value) || /^["']{0,3}(?:\$\{[A-Za-z_]\w{0,99}\}|@@[A-Za-z_]\w{0,99}@@)/.test(value);
}
