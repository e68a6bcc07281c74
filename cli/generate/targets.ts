import { didYouMean, KataError } from '../errors/index.ts';
import type { Target } from './types.ts';

// Below /usr/local the stock SELinux labels let a program run, below /var/lib they do not. Flatcar has a read-only /usr/local, and no SELinux that enforces.
const local = '/usr/local/libexec/kata-sysext-first-boot';
const variable = '/var/lib/kata-sysext-first-boot/work';

// 3.3.0 is the first with kernelArguments, and every release of these systems that is still maintained reads it.
const rows: Target[] = [
  { ...row('fcos', '3.3.0', 'fcos', '1.4.0'), tree: { osRelease: 'ID=fedora\nVARIANT_ID=coreos\n', ostree: true, systemd: 257 } },
  { ...row('flatcar', '3.3.0', 'flatcar', '1.0.0'), work: variable, tree: { osRelease: 'ID=flatcar\nSYSEXT_LEVEL=1.0\n', ostree: false } },
  // openSUSE has no variant of its own: its documents use that of Fedora CoreOS.
  row('microos', '3.3.0', 'fcos', '1.4.0'),
  { ...row('r4e', '3.3.0', 'r4e', '1.0.0'), kernelArguments: false, tree: { osRelease: 'ID=rhel\nVARIANT_ID=edge\n', ostree: true } },
];

/** Minor versions of OpenShift with a Butane variant, and the specification that Butane makes of each (coreos/butane/docs/specs.md, 0.29). */
const openshift = { first: 8, last: 22 };
const openshiftIgnition: [from: number, ignition: string][] = [
  [19, '3.5.0'],
  [14, '3.4.0'],
  [8, '3.2.0'],
];

/** OKD has the operator of OpenShift of the same number. From 4.16 on its nodes are CentOS Stream CoreOS, before that Fedora CoreOS. */
const okdFirst = 16;

/** Before 4.13 the node's systemd is 239, which refuses a oneshot that is tried again (allowed from 244 on). */
const retriedOneshots = 13;

/** All names of targets, as the help shows them. */
const targetNames = [...rows.map(({ name }) => name), 'openshift-4.N', 'okd-4.N'];

/** The row of a target. Throws `usage` for one that is not known. */
export function targetNamed(name: string): Target {
  const found = rows.find((each) => each.name === name) ?? openshiftTarget(name);
  if (found !== undefined) return found;
  throw new KataError('usage', {
    subject: '--target',
    found: `--target ${name}${didYouMean(
      name,
      rows.map((each) => each.name),
    )}`,
    needed: `one of ${targetNames.join(', ')} with N from ${openshift.first} (okd: ${okdFirst}) to ${openshift.last}`,
    next: 'kata-sysext generate --help',
  });
}

function openshiftTarget(name: string): Target | undefined {
  const [, brand, digits = '0'] = /^(openshift|okd)-4\.([1-9]\d?)$/.exec(name) ?? [];
  const minor = Number(digits);
  const known = minor <= openshift.last ? openshiftIgnition.find(([from]) => minor >= from) : undefined;
  if (known === undefined || (brand === 'okd' && minor < okdFirst)) return undefined;
  const target = { ...row(name, known[1], 'openshift', `4.${minor}.0`), openshift: true };
  // What CentOS Stream CoreOS says of itself differs between its releases: a tree like that of the nodes would be a guess.
  if (minor < retriedOneshots || brand === 'okd') return target;
  return { ...target, tree: { osRelease: `ID=rhcos\nVARIANT_ID=coreos\nOPENSHIFT_VERSION=4.${minor}\n`, ostree: true } };
}

function row(name: string, ignition: string, variant: string, version: string): Target {
  return { name, ignition, butane: { variant, version }, work: local, openshift: false, kernelArguments: true };
}
