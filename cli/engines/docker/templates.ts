import { isUnfilled, placeAt } from '../../documents/index.ts';
import type { JsonNode } from '../../documents/jsonFile/index.ts';
import type { HostPath } from '../../host/types.ts';
import { templateAt } from '../common/templates.ts';

/** Throws engine-config-invalid for a template whose places are all in texts. What dockerd itself fills in, as tags of logs, is none. */
export function refuseTemplate(path: HostPath, text: string, root: JsonNode | undefined): void {
  const at = root === undefined ? undefined : placeholderIn(root);
  if (at !== undefined) throw templateAt(path, placeAt(text, at));
}

function placeholderIn({ members, value, start }: JsonNode): number | undefined {
  if (members === undefined) return isUnfilled(JSON.stringify(value)) ? start : undefined;
  for (const member of members) {
    if (isUnfilled(member.key)) return member.start;
    const at = member.key === 'log-opts' ? undefined : placeholderIn(member.value);
    if (at !== undefined) return at;
  }
  return undefined;
}
