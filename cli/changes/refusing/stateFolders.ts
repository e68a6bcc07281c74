import type { Finding } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/index.ts';
import { etcFolder, imageRoot, payloadRoot, stateFolder } from '../../store/index.ts';

/**
 * Folders that kata-sysext believes: its state, its pointer, its payloads. One that another user owns, or may write to, could have been
 * filled by that user. Who runs the program is trusted, and root always.
 */
export async function stateFindings(host: HostView): Promise<Finding[]> {
  const trusted = [0, process.getuid?.() ?? 0];
  const found: Finding[] = [];
  for (const folder of new Set([stateFolder, etcFolder, payloadRoot(true), imageRoot])) {
    const stat = await host.stat(folder);
    if (stat === undefined) continue;
    if (stat.kind !== 'directory') found.push(unsafe(host, folder, `is no folder, but a ${stat.kind}`));
    else if (!trusted.includes(stat.uid)) found.push(unsafe(host, folder, `belongs to the user with the id ${stat.uid}`));
    else if ((stat.mode & 0o022) !== 0) found.push(unsafe(host, folder, `may be written by others: its mode is ${stat.mode.toString(8)}`));
  }
  return found;
}

function unsafe(host: HostView, folder: HostPath, what: string): Finding {
  const real = host.booted ? folder : `${host.root}${folder}`;
  return {
    code: 'state-unsafe',
    level: 'blocker',
    subject: folder,
    found: `${folder} ${what}`,
    needed: 'a folder of root that only root may write to',
    next: `look at what lies in it: ls -lan ${real}; if all of it is from kata-sysext: chown root:root ${real} && chmod 755 ${real}`,
  };
}
