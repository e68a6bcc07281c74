import { tableAt } from '../../documents/toml/index.ts';
import { commandWord } from '../../errors/index.ts';
import { byBytes } from '../../host/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { filesView } from '../common/filesView.ts';
import { unsupported } from '../common/unsupported.ts';
import { leadsTo } from '../containerd/foreignWiring.ts';
import { newPlugin, oldPlugin, runtimesPath } from '../containerd/schema.ts';
import type { ForeignWiring, Instance, Mark } from '../types.ts';
import { isBeside } from './detect.ts';
import { readSources } from './sources.ts';

/** See `Engine.findForeignWiring`: of a file in the folder that says nothing but handlers of this shim. */
export async function findForeignNodeadm(host: HostView, instance: Instance, shim: HostPath): Promise<ForeignWiring> {
  // What an earlier nodeadm has of handlers is in the user data.
  if (isBeside(instance)) return { marks: [], handlers: [] };
  const view = filesView(host);
  const marks: Mark[] = [];
  const handlers = new Set<string>();
  for (const { path, value, alone } of (await readSources(host, view, [])).folder) {
    const runtimes = [oldPlugin, newPlugin].flatMap((plugin) => Object.entries(tableAt(value, runtimesPath(plugin))));
    const led = runtimes.filter(([, runtime]) => leadsTo(runtime, shim)).map(([name]) => name);
    if (led.length === 0) continue;
    const file = await view.read(path);
    if (!alone || file === undefined || led.length !== runtimes.length || !isOnlyRuntimes(value)) {
      throw unsupported(
        path,
        `${path} has the tables of ${led.join(', ')} among others.`,
        'These tables in a NodeConfig of their own.',
        `Move them out of ${path} into a file of their own, and try again.`,
      );
    }
    if ((await host.lstat(path))?.kind === 'symlink') {
      throw unsupported(
        path,
        `${path} is a link to ${file.real}: without that file nodeadm would not start the node.`,
        'A regular file, which can be removed whole.',
        `Put a copy in place of the link: cp -p --remove-destination ${commandWord(file.real)} ${commandWord(path)}`,
      );
    }
    for (const name of led) handlers.add(name);
    marks.push({ path: file.real, kind: 'file', text: file.text });
  }
  return { marks, handlers: [...handlers].sort(byBytes) };
}

function isOnlyRuntimes(value: unknown): boolean {
  let at = [value];
  for (const keys of [['plugins'], [oldPlugin, newPlugin], ['containerd'], ['runtimes']]) {
    if (at.some((table) => Object.keys(table as object).some((key) => !keys.includes(key)))) return false;
    at = at.flatMap((table) => Object.values(table as object));
  }
  return true;
}
