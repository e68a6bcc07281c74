import { moduleTable } from '../../cli/kernelModules/index.ts';
import { type HandlerRow, handlerTable, needsOf } from '../../cli/layout/index.ts';

/** docs/reference/handlers.md, in blocks. */
export function handlersPage(note: string, table: (heads: string[], rows: string[][]) => string): string[] {
  return [
    '# Handlers',
    note,
    'A handler is the name that a RuntimeClass points at. It means a shim, a hypervisor with its kernel and image, and their configuration. This page lists the handlers of Kata 4.1.0. [The guide](../guides/handlers.md) says how to add, remove and rename them.',
    'On a command line `qemu` and `kata-qemu` mean the same. The installed name has `kata-` in front. The archive is the one that carries configuration and shim. Parts that both archives need, such as hypervisors and kernels, are merged when you name both.',
    table(['handler', 'hypervisor', 'shim', 'archive', 'architectures', 'needs of the host, in addition to KVM'], rows()),
    'All of them need KVM, except `kata-remote`. Where a node lacks what a handler needs, `check`, the plan and the receipt have a warning. The installation goes on, because nodes are often prepared before their hardware is enabled.',
  ];
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
