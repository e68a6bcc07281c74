import { command } from '../../changes/carrying/command.ts';
import { chosenText } from '../../inspect/chosen.ts';
import { ownerText } from '../../inspect/owner.ts';
import { status } from '../../inspect/status.ts';
import type { Call, Reply } from '../types.ts';

export async function run({ context, options }: Call): Promise<Reply> {
  const seen = await status(context.host);
  const open = seen.openChanges.map((id) => `! change ${id} was interrupted: ${command(context.host, 'recover')}`);
  if (!seen.installed && seen.generations.length === 0) {
    const next = open.length > 0 ? '' : ` Next: ${command(context.host, 'check')}`;
    return { kind: 'Status', body: seen, text: [`Kata is not installed by kata-sysext on this host.${next}`, ...open] };
  }
  const verbose = options['verbose'] === true;
  const lines = seen.generations.flatMap((each) => {
    const mark = each.active ? '●' : each.previous ? '◦' : ' ';
    const processes = each.processes === 0 ? '' : `, ${each.processes} running`;
    const form = each.format === 'directory' ? '' : `, ${each.format}`;
    const pinned = each.pinned ? ', pinned' : '';
    const owner = each.owner === undefined ? '' : `, brought by ${ownerText(each.owner)}`;
    const staged = each.state === 'staged' && !each.active ? ', staged: activate switches to it' : '';
    const more = verbose ? `, ${each.state}, made ${each.created}` : '';
    const names = [...each.handlers, ...each.aliases.map(({ name, handler }) => `${name} → ${handler}`)];
    const line = `${mark} ${each.number}  Kata ${each.release}  ${names.join(', ')}  (${each.backend}${form}${processes}${pinned}${owner}${staged}${more})`;
    return [line, ...(verbose ? each.configured.map((handler) => `     ${handler.name}: ${chosenText(handler)}`) : [])];
  });
  if (seen.engine !== undefined) lines.push(`wired into ${seen.engine.name}: ${seen.engine.configPath} (${seen.engine.method})`);
  for (const { deployment, generation } of seen.deployments) lines.push(`generation ${generation} is active in deployment ${deployment}`);
  for (const { version, path } of seen.programs) lines.push(`program ${version}: ${path}`);
  return { kind: 'Status', body: seen, text: [...lines, ...open] };
}
