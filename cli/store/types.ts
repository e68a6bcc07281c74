import { exactOptional, lazy } from 'valibot';
import type { SourceRecord, TreeEntry } from '../bundle/types.ts';
import { ownShape, type PayloadHandler } from '../components/types.ts';
import {
  absolutePath,
  count,
  digest,
  flag,
  listOf,
  mapOf,
  misfitOf,
  moment,
  oneOf,
  permissions,
  plainName,
  relativePath,
  type Shape,
  type Shaped,
  sha1,
  tableOf,
  text,
  valueLike,
  writtenPath,
} from '../documents/shapes.ts';
import { shownAddress } from '../download/address.ts';
import type { Effect, Wiring } from '../engines/types.ts';
import type { Digest, HostPath } from '../host/index.ts';
import type { Format, ImageFormat } from '../images/types.ts';
import type { Setting } from '../layout/types.ts';
import { insideExtension } from './paths.ts';

export type { Setting };

/**
 * The one schema of every document in the state folder: manifests of payloads, generations and programs, records, history, folders, journal.
 * The program writes and reads this one only. spec/fixtures/state-v1 has a document of each.
 */
export const schema = 1;

const kind = oneOf('file', 'directory', 'symlink');
const path = relativePath;
const mode = permissions;
const file = tableOf({ path, kind, mode, sizeBytes: count, digest, sha1: exactOptional(sha1) });
const symlink = tableOf({ path, kind, mode, target: text });
const directory = tableOf({ path, kind, mode });
const byKind: Record<TreeEntry['kind'], Shape<TreeEntry>> = { file, symlink, directory };

/** What an entry has to have depends on its kind. */
const treeEntry: Shape<TreeEntry> = lazy((entry) => {
  const name = typeof entry === 'object' && entry !== null && 'kind' in entry ? entry.kind : undefined;
  return typeof name === 'string' && Object.hasOwn(byKind, name) ? byKind[name as TreeEntry['kind']] : directory;
});

export const proofShape = tableOf({
  key: text,
  kind: oneOf('minisign', 'pem', 'sigstore'),
  comment: exactOptional(text),
  identity: exactOptional(text),
  signature: digest,
  keyDigest: digest,
  place: text,
});
const provenFile = { name: text, digest, sizeBytes: count, proof: exactOptional(proofShape) };
const sources: Shape<SourceRecord[]> = listOf(tableOf({ ...provenFile, archives: exactOptional(listOf(tableOf(provenFile))) }));

const payloadHandlers: Shape<PayloadHandler[]> = listOf(
  tableOf({
    name: plainName,
    release: text,
    family: oneOf('go', 'rust'),
    hypervisor: text,
    shim: relativePath,
    protocol: exactOptional(count),
    configuration: relativePath,
    files: listOf(relativePath),
    own: exactOptional(ownShape),
  }),
);

/** Where the release's tree lies in a stored payload: the folder of the extension is the part before. */
const treeFolder = valueLike<string>(
  `an absolute path that ends with /${insideExtension}`,
  (value) => misfitOf(absolutePath, value) === undefined && String(value).endsWith(`/${insideExtension}`),
);

/** A password, or what else an address has beside its place, is not in it. */
const sourcePlace = valueLike<string>(
  'an absolute path or an address of https or oci without a user and a query',
  (value) =>
    misfitOf(absolutePath, value) === undefined ||
    (typeof value === 'string' && /^(?:https|oci):\/\//.test(value) && shownAddress(value) === value),
);

/** `payloads/<hex>.json`: what a payload is, immutable. */
export type PayloadManifest = Shaped<typeof payloadManifestShape>;
export const payloadManifestShape = tableOf({
  schema: count,
  digest,
  root: absolutePath,
  /** Where the release's tree is. */
  folder: treeFolder,
  /** The folder around it that systemd-sysext can merge, and its extension-release text. */
  extension: tableOf({ folder: absolutePath, release: text }),
  /** The payload is one file in that folder. Of the release's tree only the configurations lie beside it, as generations are made of them. */
  image: exactOptional(tableOf({ format: oneOf<ImageFormat>('squashfs', 'erofs'), sizeBytes: count, digest })),
  release: text,
  sources,
  handlers: payloadHandlers,
  defaultHandler: text,
  available: listOf(text),
  /** All of the release's tree, in an image too. */
  entries: listOf(treeEntry),
  sizeBytes: count,
  savedBytes: count,
});

const scalar = valueLike<Setting>('a text, a number, or true or false', (value) => ['string', 'number', 'boolean'].includes(typeof value));
const setting: Shape<Setting> = lazy((value) => (Array.isArray(value) ? listOf(setting) : scalar));

/** What the administrator chose on top of the release; upgrades keep it. Handlers by their installed name ('kata-qemu'). */
export type Choices = Shaped<typeof choices>;
const choices = tableOf({
  /** Aliases that the engine offers: name → handler. */
  aliases: mapOf(plainName, plainName),
  /** Handler → names of profiles, in the order of their effect. */
  profiles: mapOf(listOf(text), plainName),
  /** Handler → path of the key in its TOML ('hypervisor.qemu.default_memory') → value. They win over profiles. */
  settings: mapOf(mapOf(setting), plainName),
});

export type GenerationHandler = Shaped<typeof generationHandler>;
const generationHandler = tableOf({
  name: plainName,
  release: text,
  family: oneOf('go', 'rust'),
  hypervisor: text,
  /** Paths relative to the payload. */
  shim: relativePath,
  configuration: relativePath,
  /** See `PayloadHandler`. */
  protocol: exactOptional(count),
  /** Digests of what the engine will use. */
  shimDigest: digest,
  configurationDigest: digest,
  /** See `PayloadHandler`. */
  own: exactOptional(ownShape),
});

/** `generations/<n>/manifest.json`: immutable. */
export type GenerationManifest = Shaped<typeof generationManifestShape>;
export const generationManifestShape = tableOf({
  schema: count,
  number: count,
  created: moment,
  program: text,
  release: text,
  sources,
  /** Where each of them lay on the machine that installed it, or was downloaded from; absent in what is made for another machine. */
  sourcePaths: exactOptional(listOf(sourcePlace)),
  payload: digest,
  payloadFolder: treeFolder,
  /** Where its configuration and its link to the payload lie, if not beside this file: see `folderOf`. */
  folder: exactOptional(absolutePath),
  backend: oneOf<string>('prefix', 'sysext', 'overlay', 'baked'),
  format: oneOf<Format>('directory', 'squashfs', 'erofs'),
  handlers: listOf(generationHandler),
  choices,
});

const effectShape = tableOf({
  by: oneOf('restart', 'reload', 'itself'),
  unit: exactOptional(plainName),
  program: exactOptional(writtenPath),
  watches: exactOptional(writtenPath),
}) as Shape<unknown> as Shape<Effect>;

const marksShape: Shape<Wiring['marks']> = listOf(
  tableOf({ path: writtenPath, kind: oneOf('file', 'range'), text, or: exactOptional(listOf(text)) }),
);

const wiringFields = {
  engine: text,
  version: exactOptional(text),
  configPath: writtenPath,
  unit: exactOptional(plainName),
  effect: exactOptional(effectShape),
  binary: exactOptional(writtenPath),
  method: text,
  handlers: listOf(tableOf({ name: text, shim: writtenPath, configuration: writtenPath })),
  marks: marksShape,
  folders: listOf(writtenPath),
  key: digest,
  selinux: exactOptional(tableOf({ marks: marksShape, folders: listOf(writtenPath) })),
};

export const wiringShape: Shape<Wiring> = tableOf({ ...wiringFields, others: exactOptional(listOf(tableOf(wiringFields))) });

export const editedShape: Shape<Record<HostPath, Digest>> = mapOf(digest, writtenPath);

export type GenerationState = Shaped<typeof stateShape>;
export const stateShape = oneOf('preparing', 'staged', 'active', 'blessed', 'retired', 'failed');

/** Who wrote the files of a generation that the program only took over. */
export type Owner = Shaped<typeof ownerShape>;
export const ownerShape = tableOf({
  kind: oneOf('ignition', 'machineconfig'),
  /** Of the MachineConfig, where it is known. */
  name: exactOptional(text),
  /** The script that ran at the first boot: these files stay with what brought them. */
  files: listOf(writtenPath),
  /** What it brought. */
  archive: exactOptional(tableOf({ name: text, digest, url: exactOptional(text) })),
});

const digestOrAbsent = valueLike<Digest | 'absent'>(
  'a sha256 digest, or absent',
  (value) => typeof value === 'string' && /^(absent|sha256:[0-9a-f]{64})$/.test(value),
);

/** Wiring of a layered package that a generation replaced. Copies of the files as they were lie in its folder, by number. */
export type Replaced = Shaped<typeof replacedShape>;
export const replacedShape = tableOf({
  package: text,
  shim: writtenPath,
  handlers: listOf(text),
  /** By digest as they were, and as the change left them. Owner, mode and xattrs are those of the copies. */
  files: listOf(tableOf({ path: writtenPath, digest, after: digestOrAbsent })),
});

/** Boots of a deployment in which it was active and not blessed yet, since it was activated at `since`; `boot` is the last one that counted. */
export type Tries = Shaped<typeof tries>;
const tries = tableOf({ deployment: text, since: text, boots: count, boot: text });

/** `generations/<n>/record.json`: what changes about a generation. */
export type GenerationRecord = Shaped<typeof generationRecordShape>;
export const generationRecordShape = tableOf({
  schema: count,
  state: stateShape,
  /** The generation that was active before this one was last activated. */
  previous: exactOptional(count),
  activated: exactOptional(moment),
  wiring: exactOptional(wiringShape),
  /** Other programs' files with text of kata-sysext in them, and its own units, by digest as it left them: what differs was edited since. */
  edited: exactOptional(editedShape),
  pinned: exactOptional(flag),
  owner: exactOptional(ownerShape),
  replaced: exactOptional(replacedShape),
  /** False: the user loads the kernel modules. */
  loadModules: exactOptional(flag),
  /**
   * Codes that the administrator named with --allow when it was made or made active, or for the one before it: at a boot no one can be
   * asked.
   */
  allowed: exactOptional(listOf(text)),
  /**
   * `wiring` and `edited` of each deployment that has an /etc of its own: what a boot of one makes of them is not what the files of another
   * have. Those above are what was written last, by whichever deployment. Read through `activeGeneration`.
   */
  wirings: exactOptional(mapOf(tableOf({ wiring: exactOptional(wiringShape), edited: exactOptional(editedShape) }))),
  /** Proven after a boot, on this deployment. Stays when another generation takes over: a guard that rolls one back returns to it. */
  blessed: exactOptional(tableOf({ at: moment, deployment: text })),
  /** Of each deployment, whichever boots in between. Read through `triesIn`. */
  tries: exactOptional(listOf(tries)),
});

export interface Generation {
  manifest: GenerationManifest;
  record: GenerationRecord;
}
