import type { TreeEntry } from '../../bundle/types.ts';
import { byBytes, digestOf, type Host, type HostPath } from '../../host/index.ts';
import { licencePlace, sbomPlace } from '../../sbom/places.ts';
import { extensionName, insideExtension } from '../paths.ts';

const sbomFile = sbomPlace(extensionName);
const licenceFolder = licencePlace(extensionName);

/** A file of an extension beside the release's tree. */
interface NoticeFile {
  /** Below the extension's root. */
  path: string;
  text: string;
}

/** Writes the files into the folder of an extension; gives them with the folders that hold nothing else. */
export async function writeNotices(host: Host, around: HostPath, files: NoticeFile[]): Promise<TreeEntry[]> {
  const folders = [...new Set(files.flatMap(({ path }) => foldersAbove(path)))].sort(byBytes);
  const made: TreeEntry[] = [];
  for (const path of folders) {
    if ((await host.lstat(`${around}/${path}`)) !== undefined) continue;
    await host.mkdir(`${around}/${path}`, 0o755);
    made.push({ path, kind: 'directory', mode: 0o755 });
  }
  for (const { path, text } of files) {
    await host.writeFile(`${around}/${path}`, text, { mode: 0o644 });
    made.push({ path, kind: 'file', mode: 0o644, sizeBytes: Buffer.byteLength(text), digest: digestOf(text) });
  }
  return made;
}

const maxNotices = 64;
const maxNoticeBytes = 32 * 1024 * 1024;

/**
 * The entries of an image's manifest that are notices: only files that no program runs, at the places of notices. Others are none, whatever an image
 * says.
 */
export function noticesIn(contents: TreeEntry[]): TreeEntry[] {
  const folders = new Set(
    [...foldersAbove(sbomFile), ...foldersAbove(`${licenceFolder}/x`)].filter((path) => !insideExtension.startsWith(`${path}/`)),
  );
  const found = contents.filter(({ path, kind, mode, sizeBytes = 0 }) => {
    if (kind === 'directory') return mode === 0o755 && folders.has(path);
    const isPlace = path === sbomFile || (path.startsWith(`${licenceFolder}/`) && !path.slice(licenceFolder.length + 1).includes('/'));
    return kind === 'file' && mode === 0o644 && isPlace && sizeBytes <= maxNoticeBytes;
  });
  return found.length <= maxNotices ? found : [];
}

function foldersAbove(path: string): string[] {
  const parts = path.split('/').slice(0, -1);
  return parts.map((_, at) => parts.slice(0, at + 1).join('/'));
}
