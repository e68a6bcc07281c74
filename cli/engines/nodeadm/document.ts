import { parseJson } from '../../documents/json.ts';
import { KataError } from '../../errors/index.ts';
import type { HostPath } from '../../host/types.ts';

/**
 * What a file of the folder is, in YAML or JSON, with aliases and merge keys in full as nodeadm reads them. nodeadm takes some files that
 * kata-sysext does not: large ones, MIME, and what parsers read differently. Throws engine-config-invalid for those, and for what is neither.
 */
export async function documentIn(text: string, path: HostPath): Promise<unknown> {
  const [head] = text.split(/\r?\n\r?\n/, 1);
  if (/^(?:MIME-Version|Content-Type):/im.test(head!)) throw unread(path, 'it is a MIME document');
  const { parseYaml } = await import('../../facts/yaml.ts');
  try {
    // What begins like JSON has to be JSON: nodeadm tries nothing else.
    if (text.trimStart().startsWith('{')) parseJson(text, { maxBytes: 1 << 20 });
    else if (hasControl(text)) throw new Error('it has a control character');
    return parseYaml(text, { aliases: true });
  } catch (error) {
    throw unread(path, error instanceof Error ? error.message : String(error));
  }
}

/** Which YAML of nodeadm does not take. */
function hasControl(text: string): boolean {
  return [...text].some((char) => (char < ' ' && !'\t\n\r'.includes(char)) || char === '\x7f');
}

function unread(path: HostPath, what: string): KataError {
  return new KataError('engine-config-invalid', {
    subject: path,
    found: `kata-sysext cannot read ${path}: ${what}.`,
    needed:
      'NodeConfigs in plain YAML or JSON: the handlers have to fit what all of them say, and one that nodeadm cannot read keeps the node from joining its cluster.',
    next: `See what nodeadm makes of it (nodeadm config dump --config-source file://${path}) and write it in plainer YAML, or rename it so that its name does not end in .yaml, .yml or .json.`,
  });
}
