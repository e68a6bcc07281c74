import { posix } from 'node:path';
import type { HostPath, HostView } from '../host/index.ts';
import { readSmall } from './smallFile.ts';

/** What of a kubelet's command line says when it evicts, and which engine it uses. */
export interface KubeletCommand {
  config?: HostPath;
  configFolder?: HostPath;
  /** --root-dir */
  folder?: HostPath;
  /** 'nodefs.available<10%,…' */
  evictionHard?: string;
  evictionSoft?: string;
  imageGcHigh?: string;
  /** 'unix:///run/containerd/containerd.sock' */
  endpoint?: string;
}

const unit = 'kubelet.service';
const unitFolders = [
  '/etc/systemd/system',
  '/run/systemd/system',
  '/usr/local/lib/systemd/system',
  '/usr/lib/systemd/system',
  '/lib/systemd/system',
];
const maxDropIns = 100;

/**
 * Of the process that runs, else of the texts of its unit and the environment files that these name: flags may be in either. undefined where
 * there is neither.
 */
export async function commandOf(host: HostView): Promise<KubeletCommand | undefined> {
  const state = await (await host.systemd())?.unit(unit);
  const pid = state?.mainPid ?? 0;
  const running = pid > 0 ? await textOf(host, `/proc/${pid}/cmdline`) : undefined;
  if (running !== undefined && running !== '') return flagsIn(running.replaceAll('\0', '\n'));
  const texts = await unitTexts(host);
  return texts.length === 0 ? undefined : flagsIn(texts.join('\n'));
}

async function unitTexts(host: HostView): Promise<string[]> {
  const texts: string[] = [];
  for (const folder of unitFolders) {
    const text = await textOf(host, `${folder}/${unit}`);
    if (text !== undefined && texts.length === 0) texts.push(text);
  }
  if (texts.length === 0) return [];
  for (const folder of [...unitFolders].reverse()) {
    const names = (await host.readdir(`${folder}/${unit}.d`).catch(() => [])).filter((name) => name.endsWith('.conf'));
    for (const name of names.slice(0, maxDropIns)) texts.push((await textOf(host, `${folder}/${unit}.d/${name}`)) ?? '');
  }
  const files = [...texts.join('\n').matchAll(/^[ \t]*EnvironmentFile=-?(\/[^\s%]+)[ \t]*$/gm)].map((match) => match[1]!);
  for (const path of files.slice(0, maxDropIns)) texts.push((await textOf(host, path)) ?? '');
  return texts.map((text) => text.replace(/^[ \t]*[#;].*$/gm, ''));
}

/** The files of /proc say that they are empty. */
async function textOf(host: HostView, path: HostPath): Promise<string | undefined> {
  const read = await readSmall(host, path);
  return read.kind === 'text' ? read.text : undefined;
}

function flagsIn(text: string): KubeletCommand {
  const value = (flag: string) => [...text.matchAll(new RegExp(`(?:^|[\\s"'=])--${flag}[=\\s]+["']?([^\\s"']+)`, 'gm'))].at(-1)?.[1];
  const path = (flag: string) => {
    const said = value(flag);
    return said?.startsWith('/') === true ? posix.normalize(said) : undefined;
  };
  const all = {
    config: path('config'),
    configFolder: path('config-dir'),
    folder: path('root-dir'),
    evictionHard: value('eviction-hard'),
    evictionSoft: value('eviction-soft'),
    imageGcHigh: value('image-gc-high-threshold'),
    endpoint: value('container-runtime-endpoint'),
  };
  return Object.fromEntries(Object.entries(all).filter(([, each]) => each !== undefined));
}
