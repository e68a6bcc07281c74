import { enginePlugins } from '../../cli/engines/index.ts';

const begins = '<!-- Made from the refusals of cli/engines/NAME/ by scripts/docs.ts: the table begins -->\n';
const ends = '\n<!-- the table ends -->';

/** docs/reference/hosts.md with a fresh table of the programs that are recognised and refused. */
export function withRenderersTable(page: string, table: (heads: string[], rows: string[][]) => string): string {
  const [from, to] = [page.indexOf(begins), page.indexOf(ends)];
  if (from < 0 || to < from) throw new Error('docs/reference/hosts.md has lost the marks of its table');
  const rows = enginePlugins().flatMap((row) => {
    const docs = row.kind === 'refused' ? row.refusal?.docs : undefined;
    return docs === undefined ? [] : [[row.title, docs.does, docs.recognised, docs.works]];
  });
  const fresh = table(['renderer', 'what it does', 'how it is recognised', 'what works today'], rows);
  return `${page.slice(0, from + begins.length)}\n${fresh}\n${page.slice(to)}`;
}
