import type { HostView } from '../host/index.ts';

/** A kata-sysext command as it must be typed for this host: of an offline tree it names the tree. */
export function command(host: HostView, line: string): string {
  return `kata-sysext ${line}${host.booted ? '' : ` --root ${words([host.root])}`}`;
}

/** Words as a shell takes them. */
export function words(each: string[]): string {
  return each.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}
