/** Characters of our texts that ASCII lacks, as every roff knows them. */
const names: Record<string, string> = { '’': '\\(cq', '“': '\\(lq', '”': '\\(rq', '–': '\\(en', '…': '...', '→': '\\(->' };
/** Signs of ASCII that a roff prints as another one, which nobody could copy into a shell. */
const signs: Record<string, string> = { '-': '\\-', '^': '\\(ha', '~': '\\(ti', "'": '\\(aq' };
const lineLength = 78;

/** Text for a line of man(7): nothing in it is taken for a request or an escape, hyphens stay what can be copied. `code` becomes bold. */
export function roff(text: string): string {
  const plain = text
    .replaceAll('\\', '\\e')
    .replace(/[-^~']/g, (sign) => signs[sign]!)
    .replace(/[^ -~]/gu, (sign) => names[sign] ?? `\\[u${sign.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}]`)
    .replace(/`([^`]*)`/g, '\\fB$1\\fR');
  return plain.startsWith('.') ? `\\&${plain}` : plain;
}

/** The same for running text, in lines as short as mandoc wants them. */
export function filled(text: string): string[] {
  const lines: string[] = [];
  for (const word of text.match(/(?:`[^`]*`|[^\s`])+/g) ?? []) {
    const last = lines.at(-1);
    if (last === undefined || roff(`${last} ${word}`).length > lineLength) lines.push(word);
    else lines[lines.length - 1] = `${last} ${word}`;
  }
  return lines.map(roff);
}

/** An argument of a macro: in quotes, which are doubled inside. */
export function quoted(text: string): string {
  return `"${roff(text).replaceAll('"', '\\(dq')}"`;
}

/** A tagged paragraph: what is explained, in bold, and its explanation. */
export function tagged(tag: string, text: string): string[] {
  return ['.TP', `.B ${roff(tag)}`, ...filled(text)];
}
