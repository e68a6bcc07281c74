import type { Finding } from '../errors/index.ts';
import type { GenerationManifest } from '../store/index.ts';
import type { WrongLabel } from './judge.ts';

/** A label that keeps a file from being used is a blocker; one that gives the same access is a warning, and so is one of another program's file. */
export function labelFinding(wrong: WrongLabel, { format, number }: Pick<GenerationManifest, 'format' | 'number'>): Finding {
  const { place, found, needed, stock, sameAccess } = wrong;
  const rule = stock !== undefined && stock !== needed ? `; the host’s own rule, ${stock}, keeps a virtual machine out` : '';
  const same = sameAccess ? '; access is the same until the next relabel' : '';
  return {
    code: 'label-differs',
    level: sameAccess || place.foreign ? 'warning' : 'blocker',
    subject: place.path,
    found: `${place.path}: ${found === undefined ? 'no SELinux label' : `the SELinux label ${found}`}, not ${needed}${rule}${same}`,
    needed: `the label ${needed}`,
    next: nextOf(wrong, format !== 'directory', number),
  };
}

function nextOf({ place }: WrongLabel, isImage: boolean, generation: number): string {
  if (place.foreign) return `restorecon -Fv ${place.path}`;
  if (!place.shown) return 'kata-sysext verify --repair';
  if (isImage)
    return `make the image on a host with this policy: kata-sysext build --help; what generation ${generation} has cannot be labelled`;
  return 'install the same bundle again: kata-sysext install BUNDLE';
}
