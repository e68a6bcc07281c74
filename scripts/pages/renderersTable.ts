import { enginePlugins } from '../../cli/engines/index.ts';
import { between } from './between.ts';

/** docs/reference/hosts.md with a fresh table of the programs that write an engine's configuration themselves. */
export function withRenderersTable(page: string, table: (heads: string[], rows: string[][]) => string): string {
  const rows = enginePlugins().flatMap((plugin) => {
    const docs = plugin.kind === 'refused' ? plugin.refusal?.docs : plugin.renders?.wired?.docs;
    if (docs === undefined) return [];
    const { does, recognised, works } = docs;
    return [[plugin.title, does, recognised, works]];
  });
  return between(page, 'the renderers', table(['renderer', 'what it does', 'how it is recognised', 'what works today'], rows));
}
