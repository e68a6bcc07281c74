import { isTable, parseDocument, valueAt } from '../../documents/toml/index.ts';
import type { Finding } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import { wantedSettings } from '../../layout/settings/index.ts';
import { type Choices, fragmentsFolder } from '../../store/index.ts';
import type { Configurable } from './settings.ts';

/**
 * Settings that have no effect because a fragment of the administrator has the same key: Kata reads fragments after the file of kata-sysext,
 * and the last one wins (docs/facts/kata.md#fragments). Values are not looked at, since a fragment may hold secrets.
 */
export async function fragmentFindings(host: HostView, choices: Choices, handlers: Configurable[]): Promise<Finding[]> {
  const found: Finding[] = [];
  for (const handler of handlers) {
    const chosen = { profiles: choices.profiles[handler.name] ?? [], settings: choices.settings[handler.name] ?? {} };
    const keys = [...wantedSettings(handler, chosen).keys()];
    const folder = `${fragmentsFolder}/${handler.name}.d`;
    for (const name of keys.length === 0 ? [] : await host.readdir(folder)) {
      const value = await readFragment(host, `${folder}/${name}`);
      const taken = keys.filter((key) => has(value, key.split('.')));
      if (taken.length > 0) found.push(overridden(`${folder}/${name}`, taken));
    }
  }
  return found;
}

/** undefined for what is no file or no TOML: that it keeps pods from starting is not this change's doing. */
async function readFragment(host: HostView, path: string): Promise<unknown> {
  if ((await host.stat(path))?.kind !== 'file') return undefined;
  try {
    return parseDocument((await host.readText(path, 'configuration')) ?? '', path).value;
  } catch {
    return undefined;
  }
}

function has(value: unknown, keys: string[]): boolean {
  const found = valueAt(value, keys);
  return found !== undefined && !isTable(found);
}

function overridden(path: string, keys: string[]): Finding {
  return {
    code: 'setting-overridden',
    level: 'warning',
    subject: path,
    found: `${path} sets ${keys.join(', ')} as well, and fragments win over settings and profiles`,
    needed: 'each key in one place',
    next: 'take the key out of the fragment, or the setting away with --unset',
  };
}
