import type { Finding } from '../errors/index.ts';
import { typeOf } from './contexts.ts';
import type { Denial } from './types.ts';

const maxNamed = 4;

export interface PolicyState {
  enforcing: boolean;
  /** The reference policy, which the module of examples/selinux/ is for. */
  isReference: boolean;
}

/** A permission that is missing, as the rule that would give it. Nothing is refused where nothing would be enforced. */
export function denialFinding(denial: Denial, { enforcing, isReference }: PolicyState): Finding {
  const { className, permissions, permissive, paths, mislabelled, why } = denial;
  const [source, target] = [typeOf(denial.source), typeOf(denial.target)];
  const list = permissions.length === 1 ? permissions[0]! : `{ ${permissions.join(' ')} }`;
  const of = paths.length === 0 ? '' : ` (${named(paths)})`;
  const lax = enforcing
    ? permissive
      ? `; ${source} is permissive: the kernel allows it and logs a denial`
      : ''
    : '; SELinux is permissive now';
  return {
    code: 'host-selinux-denies',
    level: enforcing && !permissive ? 'blocker' : 'warning',
    subject: `${source} ${target}:${className}`,
    found: `SELinux’ policy denies ${source} ${list} on ${target}:${className}${of}; a pod needs it, because ${why}${lax}`,
    needed: mislabelled
      ? `the stock label for ${named(paths)}`
      : `allow ${source} ${source === target ? 'self' : target}:${className} ${list};`,
    next: remedy(denial, isReference),
  };
}

function remedy({ paths, mislabelled }: Denial, isReference: boolean): string {
  if (mislabelled && paths.every((path) => path.startsWith('/dev/'))) return `restorecon -F ${paths.join(' ')}; kata-sysext check`;
  // What is shown below /usr cannot be relabelled there: the program knows where the file lies.
  if (mislabelled) return 'kata-sysext verify --repair';
  return isReference
    ? 'load the module of examples/selinux/ as its README.md says (kata-sysext loads none), then: kata-sysext check'
    : 'allow it in a module of the host’s own policy (docs/reference/selinux.md says which rules), then: kata-sysext check';
}

function named(paths: string[]): string {
  const more = paths.length - maxNamed;
  return more > 0 ? `${paths.slice(0, maxNamed).join(', ')} and ${more} more` : paths.join(', ');
}
