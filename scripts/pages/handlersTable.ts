import { moduleTable } from '../../cli/kernelModules/index.ts';
import { type HandlerRow, handlerTable, needsOf } from '../../cli/layout/index.ts';

const begins = 'the table begins -->\n';
const ends = '\n<!-- the table ends -->';

/** docs/guides/handlers.md with a fresh table between its two marks. */
export function withHandlersTable(page: string, table: (heads: string[], rows: string[][]) => string): string {
  const [from, to] = [page.indexOf(begins), page.indexOf(ends)];
  if (from < 0 || to < from) throw new Error('docs/guides/handlers.md has lost the marks of its table');
  const fresh = table(['handler', 'hypervisor', 'shim', 'archive', 'architectures', 'needs of the host, besides KVM'], rows());
  return `${page.slice(0, from + begins.length)}\n${fresh}\n${page.slice(to)}`;
}

function rows(): string[][] {
  return handlerTable.handlers.map((row) => [
    `\`kata-${row.name}\``,
    row.hypervisor,
    row.family === 'go' ? 'Go' : 'Rust',
    `\`${handlerTable.archives[row.family]}\``,
    row.architectures.join(', '),
    needs(row),
  ]);
}

function needs(row: HandlerRow): string {
  const modules = moduleTable.filter(
    ({ hypervisors, processor }) => processor === undefined && hypervisors?.includes(row.hypervisor) === true,
  );
  const loaded =
    modules.length === 0 ? [] : [`the kernel modules ${modules.map(({ name }) => name).join(', ')} (\`handler-needs-module\`)`];
  return [...loaded, ...needsOf(row).map(({ code, needed }) => `${needed} (\`${code}\`)`)].join('; ');
}
