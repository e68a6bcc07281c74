import { posix } from 'node:path';
import * as overlay from '../../../cli/backends/overlay/paths.ts';
import * as sysext from '../../../cli/backends/sysext/paths.ts';
import * as guard from '../../../cli/bootGuard/units/paths.ts';
import { rootFile, rootTables, unitDropIn } from '../../../cli/engines/containerd/rootFile.ts';
import * as firstBoot from '../../../cli/generate/forms/common.ts';
import { targetNamed } from '../../../cli/generate/index.ts';
import { podProgram } from '../../../cli/nodePod/files.ts';
import { folder as podNotes } from '../../../cli/pod/notes.ts';
import * as store from '../../../cli/store/paths.ts';
import { mark } from '../../../cli/transaction/changeMarker.ts';
import { trustFolder } from '../../../cli/trust/index.ts';
import { codeOf, type Page } from './shownPages.ts';

const roots = [
  'etc/kata-sysext',
  'etc/\\.kata-sysext',
  'etc/kata-containers',
  'etc/containerd/(?:conf\\.d|kata)',
  'etc/crio/crio\\.conf\\.d/\\d+-kata',
  'etc/extensions',
  'etc/systemd/system[\\w./-]*kata-sysext',
  'var/lib/kata-sysext',
  'usr/(?:local/)?libexec/kata-sysext',
  'usr/lib/kata-sysext',
  'usr/share/kata',
  'run/kata-sysext',
];
const path = new RegExp(`(?<![\\w/.}\\]])/(?:${roots.join('|')})[\\w./…*-]*`, 'g');
const unit = /(?<![\w/.-])kata-sysext-[a-z-]+\.(?:service|preset)\b/g;
/** What `generate` makes stands behind such a mark; shownFiles.spec.ts compares it byte for byte. */
const generated = /<!-- \w+ for [\w.-]+: .*?-->\n```.*?\n```\n/gs;

/** Paths and units of ours that the code of a page names. */
export function shownPaths(page: Page): string[] {
  return codeOf({ ...page, text: page.text.replace(generated, '') }).flatMap(pathsIn);
}

function pathsIn(text: string): string[] {
  return [...text.matchAll(path), ...text.matchAll(unit)].map(([found]) => found.replace(/(?<=[^.])[./…]+$/, ''));
}

const masks: [RegExp, string][] = [
  [/^\/etc\/kata-sysext\/current(?=\/)/, '/var/lib/kata-sysext/generations/N'],
  [/^(?<head>\/var\/lib\/kata-sysext)\/generations\/N\/payload(?=\/)/, '$<head>/tree/HEX/usr/share/kata'],
  [/^\/usr\/share\/kata(?=\/)/, '/var/lib/kata-sysext/tree/HEX/usr/share/kata'],
  [/\/(?:[0-9a-f]{64}|[0-9a-f]{8}\.\.\.)(?=[/.]|$)/g, '/HEX'],
  [/\/(?:\d+\.\d+\.\d+)(?=\/|$)/g, '/VERSION'],
  [/\/\d+(?=[/.]|$)/g, '/N'],
  [/\/kata-qemu(?:-runtime-rs)?(?=[/.]|$)/g, '/HANDLER'],
  [/\/\d\d-\w+\.toml$/g, '/NN-NAME.toml'],
];

function maskedPath(shown: string): string {
  return masks.reduce((text, [pattern, sign]) => text.replace(pattern, sign), shown);
}

/** Masked paths and units that exist: those of the trees, of the program's own tables, and of what `generate` makes. */
export function knownPaths(seen: Iterable<string>, pages: Page[]): Set<string> {
  const constants = [store, guard, overlay, sysext, firstBoot].flatMap((module) => Object.values<unknown>(module));
  const rootsOfPrograms = [store.payloadRoot(true), store.payloadRoot(false), store.imageRoot];
  const units = [...guard.guardUnits({ image: false }), ...guard.guardUnits({ image: true })];
  return new Set(
    [
      ...seen,
      mark,
      `/${store.insideExtension}`,
      `${podNotes}/RUN.json`,
      `${store.imageRecords}/HEX.json`,
      store.programManifest('VERSION'),
      ...pages.flatMap(({ text }) => (text.match(generated) ?? []).flatMap(pathsIn)),
      ...['fcos', 'flatcar'].flatMap((name) => [targetNamed(name).work, posix.dirname(targetNamed(name).work)]),
      ...constants.flat().filter((value): value is string => typeof value === 'string'),
      rootFile,
      podProgram,
      trustFolder,
      rootTables,
      unitDropIn('containerd.service'),
      ...rootsOfPrograms.flatMap((root) => [store.binFolder(root), store.programPath(root, 'VERSION')]),
      ...units.flatMap((each) => [each.unit, each.path, each.link]),
    ].map(maskedPath),
  );
}

/** Whether a shown path is one of these; `*` in it stands for any name. */
export function isKnownPath(shown: string, known: Set<string>): boolean {
  const wanted = maskedPath(shown);
  if (!wanted.includes('*')) return known.has(wanted);
  const parts = wanted.split('*').map((part) => part.replace(/[\\^$.+?()[\]{}|]/g, '\\$&'));
  const pattern = new RegExp(`^${parts.join('[^/]*')}$`);
  return [...known].some((each) => pattern.test(each));
}
