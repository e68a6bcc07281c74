import { editedByOthers, foreignHandler, refuseForeignFiles } from '../../../cli/engines/common/complaints.ts';
import { checkEditable } from '../../../cli/engines/common/editable.ts';
import { filesView } from '../../../cli/engines/common/filesView.ts';
import { findingsOf, lookForMarks, withoutOurs } from '../../../cli/engines/common/seen.ts';
import { checkWanted } from '../../../cli/engines/common/wanted.ts';
import { wiringKey } from '../../../cli/engines/common/wiringKey.ts';
import type { Engine } from '../../../cli/engines/contract.ts';
import type { ForeignWiring, Instance, Mark, WantedHandler, Wiring, WiringPlan } from '../../../cli/engines/types.ts';
import { digestOf, type HostView } from '../../../cli/host/index.ts';
import { sectionsOf } from './ini.ts';

const name = 'toy';
const configPath = '/etc/toy/toy.conf';

/** A program without daemon, CRI or dump, that starts a container by a section of its one file, which is no TOML. */
export const toy: Engine = {
  kind: 'engine',
  name,
  title: 'Toy',
  units: [],
  programs: [name],
  storage: [],
  report: {
    configuration: [],
    tables: undefined,
    keys: undefined,
    credentials: ['/etc/toy'],
    registries: [],
    logNoise: undefined,
    words: [name],
  },
  renders: undefined,
  reservedHandlers: ['plain'],
  dropInsNeedMain: false,
  shimProtocol: { speaks: [{ protocol: 3, source: 'this file' }], forgets: [], mixes: [] },
  offline: { kind: 'none', found: 'a toy', needed: 'nothing' },
  selinux: { keys: [], byDefault: false, setting: 'nothing' },
  defaultHandler: { keys: [], setting: 'nothing' },
  sample: undefined,
  detect: async (host, hint) => ((await host.stat(configPath)) === undefined ? [] : [instanceOf(hint)]),
  findRecorded: async (host) => ((await host.stat(configPath)) === undefined ? undefined : instanceOf(undefined)),
  plan,
  findForeignWiring,
  dump: undefined,
  daemon: undefined,
  cri: undefined,
};

function instanceOf(version: string | undefined): Instance {
  return { engine: name, configPath, ...(version === undefined ? {} : { version }) };
}

async function plan(host: HostView, instance: Instance, wanted: WantedHandler[], recorded?: Wiring): Promise<WiringPlan> {
  checkWanted(wanted);
  const seen = await lookForMarks(host, recorded);
  const findings = findingsOf(seen);
  if (wanted.length > 0 && seen.some(({ state }) => state === 'altered')) throw editedByOthers(findings);
  const file = await filesView(host).read(configPath);
  const real = file?.real ?? configPath;
  const bare = withoutOurs(seen).get(real) ?? file?.text ?? '';
  const rest = bare === 'absent' ? '' : bare;
  const taken = sectionsOf(rest, configPath).find(
    (each) => each.kind === 'runtime' && wanted.some((handler) => handler.name === each.name),
  );
  if (taken !== undefined) throw foreignHandler(taken.name, configPath);
  await refuseForeignFiles(host, file === undefined ? [real] : [], seen);
  const text = wanted.length === 0 ? '' : `${rest === '' || rest.endsWith('\n') ? '' : '\n'}${wanted.map(sectionText).join('')}`;
  const marks: Mark[] = text === '' ? [] : [{ path: real, kind: 'range', text }];
  const after = rest + text;
  await checkEditable(host, real);
  const ours = [text, ...seen.flatMap(({ mark, state }) => (state === 'intact' ? [mark.text] : []))].filter((each) => each !== '');
  const before = file === undefined ? ('absent' as const) : digestOf(file.text);
  const change = { path: real, before, after: { text: after }, foreign: true, ours: [...new Set(ours)], tmpDir: '/etc' };
  const wiring = { engine: name, configPath, method: 'range', handlers: wanted, marks, folders: [], key: wiringKey(instance, wanted, 0) };
  return {
    ...(wanted.length === 0 ? {} : { wiring }),
    changes: after === file?.text ? [] : [change],
    makeFolders: [],
    dropFolders: [],
    findings,
  };
}

function sectionText({ name: handler, shim, configuration }: WantedHandler): string {
  return `[runtime ${handler}]\nshim = ${shim}\nconfiguration = ${configuration}\n`;
}

async function findForeignWiring(host: HostView, _instance: Instance, shim: string): Promise<ForeignWiring> {
  const file = await filesView(host).read(configPath);
  const found = sectionsOf(file?.text ?? '', configPath).filter(({ kind, keys }) => kind === 'runtime' && keys['shim'] === shim);
  return {
    marks: found.map(({ text }) => ({ path: file!.real, kind: 'range', text })),
    handlers: found.map((each) => each.name).sort(),
  };
}
