import type { Finding } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { moduleFindings } from '../kernelModules/index.ts';
import { handlerRow, installedName, type NeedRow, needsOf } from '../layout/index.ts';

/**
 * What this host lacks for these handlers (the release's words), kernel modules among it, as warnings: nodes are often prepared before the hardware is switched on.
 * In an offline tree only files are looked for.
 */
export async function needFindings(host: HostView, releases: string[]): Promise<Finding[]> {
  const found = new Map<NeedRow, string[]>();
  const rows = releases.map(handlerRow);
  for (const row of rows) {
    for (const need of needsOf(row)) found.set(need, [...(found.get(need) ?? []), installedName(row.name)]);
  }
  const lacking: Finding[] = [];
  for (const [need, names] of found) {
    if (!(host.live || need.offline === true) || (await isMet(host, need))) continue;
    const { code, needed, next } = need;
    lacking.push({ code, level: 'warning', subject: names.join(', '), found: `${names.join(', ')}: ${need.found}`, needed, next });
  }
  return [
    ...(await moduleFindings(
      host,
      rows.map(({ name, hypervisor }) => ({ name: installedName(name), hypervisor })),
    )),
    ...lacking,
  ];
}

async function isMet(host: HostView, { look }: NeedRow): Promise<boolean> {
  if (look === undefined) return false;
  if (look.below !== undefined) return (await host.readdir(look.below)).length > 0;
  if (look.path === undefined) return false;
  if (look.says === undefined) return (await host.lstat(look.path)) !== undefined;
  return new RegExp(look.says).test((await host.readText(look.path)) ?? '');
}
