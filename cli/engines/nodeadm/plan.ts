import { addsExactly, parseDocument, type TomlTable, valueAt } from '../../documents/toml/index.ts';
import { type Finding, type KataError, systemctl } from '../../errors/index.ts';
import type { HostPath, HostView } from '../../host/types.ts';
import { editedByOthers, foreignHandler, refuseForeignFiles } from '../common/complaints.ts';
import { filesView } from '../common/filesView.ts';
import { missingFolders } from '../common/folders.ts';
import { findingsOf, lookForMarks, type SeenMark, withoutOurs } from '../common/seen.ts';
import { templateAt } from '../common/templates.ts';
import { wantedUnits } from '../common/unitFiles.ts';
import { unsupported } from '../common/unsupported.ts';
import { atLeast, parseVersion, type Version } from '../common/version.ts';
import { checkWanted } from '../common/wanted.ts';
import { wiringKey } from '../common/wiringKey.ts';
import { changesBetween } from '../containerd/fileChanges.ts';
import { handlerLines, handlerTable, leadsToOurs, pluginTable, shimIsType } from '../containerd/handlers.ts';
import { planContainerd } from '../containerd/plan.ts';
import { removedKeysIn } from '../containerd/removedKeys.ts';
import { newPlugin, oldPlugin, pluginOf, runtimesOf, runtimesPath } from '../containerd/schema.ts';
import type { Instance, WantedHandler, Wiring, WiringPlan } from '../types.ts';
import { isBeside } from './detect.ts';
import { cache, folder, runUnit, wiringFile } from './facts.ts';
import { mentions, nodeConfigText, readNodeConfig } from './nodeConfig.ts';
import { chooseSchema } from './plugins.ts';
import { readSources, type Sources } from './sources.ts';

/** See `Engine.plan`: one file in the folder of nodeadm; of one that knows no folder, a root file beside its own. The folder itself is never removed, because nodeadm fails without it. */
export async function planNodeadm(host: HostView, instance: Instance, wanted: WantedHandler[], recorded?: Wiring): Promise<WiringPlan> {
  if (isBeside(instance)) {
    const plan = await planBeside(host, instance, wanted, recorded);
    return wanted.length === 0 ? plan : { ...plan, findings: [...firstStart(instance), ...plan.findings] };
  }
  checkWanted(wanted);
  const seen = await lookForMarks(host, recorded);
  const findings = findingsOf(seen);
  const base = withoutOurs(seen);
  if (wanted.length === 0) {
    return { changes: await changesBetween(host, seen, [], base, patterns), makeFolders: [], dropFolders: [], findings };
  }
  await requireFolderRead(host);
  findings.push(...firstStart(instance));
  const ours = [...(recorded?.handlers ?? []), ...wanted];
  const path = `${await host.realpath(folder)}/${wiringFile.slice(folder.length + 1)}`;
  const sources = await readSources(host, filesView(host, base), ours);
  if (recorded === undefined) refuseTemplates(sources);
  refuseTaken(sources, wanted);
  if (seen.some((one) => one.state === 'altered')) return keepAltered(seen, wanted, recorded!, findings);

  const version = parseVersion(instance.version);
  const now = schemaOf(seen);
  const { schema, findings: chosen } = await chooseSchema(host, instance, sources, now);
  const text = await wiringText(wanted, schema, version);
  await refuseForeignFiles(host, [path], seen);
  const mark = { path, kind: 'file' as const, text };
  return {
    wiring: wiringOf(instance, wanted, { marks: [mark], key: wiringKey(instance, wanted, schema, shimIsType(version)) }),
    changes: await changesBetween(host, seen, [{ mark, after: text }], new Map([...base, [path, text]]), patterns),
    makeFolders: await missingFolders(host, [path]),
    dropFolders: [],
    findings: [
      ...findings,
      ...chosen,
      ...removedKeys(sources, version),
      ...(now === undefined || now === schema ? [] : [otherSchema(path, now, schema)]),
    ],
  };
}

/** nodeadm reads every file of the folder that is named as its kinds are: a temporary file must not be there. */
const patterns = [`${folder}/*`];

function wiringOf(instance: Instance, handlers: WantedHandler[], more: Pick<Wiring, 'marks' | 'key'>): Wiring {
  const { engine, configPath, unit, effect, binary } = instance;
  return {
    engine,
    configPath,
    unit,
    effect,
    binary,
    method: 'NodeConfig',
    handlers,
    folders: [],
    ...more,
  };
}

/** The text of the file, read back by two parsers: YAML for the document, and TOML for what it holds. */
async function wiringText(wanted: readonly WantedHandler[], schema: number, version: Version | undefined): Promise<string> {
  const plugin = pluginOf(schema);
  const lines = wanted.flatMap((handler) => ['', ...handlerLines(handler, plugin, version)]).slice(1);
  const tables: TomlTable = pluginTable(plugin, Object.fromEntries(wanted.map((each) => [each.name, handlerTable(each, version)])));
  const text = nodeConfigText(lines);
  const { config } = await readNodeConfig(text, wiringFile);
  if (!addsExactly('', config, tables, wiringFile)) throw new Error(`${wiringFile} would not say what was planned`);
  return text;
}

/** containerd 1.x unites no tables of two files: there nothing survives what nodeadm writes. */
async function planBeside(host: HostView, instance: Instance, wanted: WantedHandler[], recorded?: Wiring): Promise<WiringPlan> {
  const version = parseVersion(instance.version);
  if (wanted.length > 0 && (version === undefined || !atLeast(version, 2, 0))) throw withoutFolder();
  // For containerd 2.x it writes schema 3, or makes a file of that or a newer one of settings of schema 2 (docs/facts/nodeadm.md).
  return planContainerd(host, instance, wanted, recorded, 3);
}

/** Plugins of schema 2 are migrated. The user data is known as nodeadm united it with the files: what one of these has is named there. */
function removedKeys({ folder: files, user }: Sources, version: Version | undefined): Finding[] {
  const found = removedKeysIn(files, version);
  const named = user === undefined ? [] : [{ path: `the user data of this node (${cache})`, value: user.value }];
  return found.length > 0 ? found : removedKeysIn(named, version);
}

/** Older ones do not know the folder; one that does names it in its unit. */
async function requireFolderRead(host: HostView): Promise<void> {
  if ((await wantedUnits(host)).has(runUnit)) return;
  throw unsupported(
    runUnit,
    `${runUnit} is not enabled: nodeadm would not read ${folder} at a boot.`,
    needed,
    systemctl(host, `enable ${runUnit}`),
  );
}

const needed = `nodeadm of v20251023 or newer, whose unit has --config-source file://${folder}/ and is enabled.`;

function withoutFolder(): KataError {
  return unsupported(
    runUnit,
    `${runUnit} does not name ${folder}: nodeadm of this node takes settings of containerd from the user data alone, and containerd is no 2.x, which could read a file beside.`,
    needed,
    'Update the AMI of the nodes; or name the handlers in spec.containerd.config of the user data.',
  );
}

function refuseTemplates({ folder: files }: Sources): void {
  for (const { path, placeholder } of files) if (placeholder !== undefined) throw templateAt(path, placeholder);
}

function firstStart({ unit, firstStart: by }: Instance): Finding[] {
  if (unit === undefined || by === undefined) return [];
  return [
    {
      code: 'engine-first-start',
      level: 'info',
      subject: unit,
      found: `${unit} does not run, and no boot starts it before ${by} has rendered, as in an AMI: the files are written, nothing restarts, and no engine is asked`,
      needed: 'Nothing: the first boot with the user data of a node starts it with the handlers, and the boot guard confirms them.',
      next: 'Nothing. On a node: kata-sysext status, after its boot',
    },
  ];
}

/** A later file wins, table by table: two definitions of one handler would be mixed. */
function refuseTaken({ folder: files, user }: Sources, wanted: readonly WantedHandler[]): void {
  for (const { path, value } of [...files, ...(user === undefined ? [] : [user])]) {
    const taken = wanted.find(({ name }) => Object.hasOwn(runtimesOf(value), name));
    if (taken !== undefined) throw foreignHandler(taken.name, path === cache ? `The user data of this node (${cache})` : path);
  }
}

function schemaOf(seen: readonly SeenMark[]): 2 | 3 | undefined {
  const text = seen.find(({ mark, state }) => state === 'intact' && mark.path.endsWith(wiringFile.slice(folder.length)))?.mark.text;
  if (text === undefined) return undefined;
  return mentions(text, [newPlugin]) ? 3 : mentions(text, [oldPlugin]) ? 2 : undefined;
}

function otherSchema(path: HostPath, now: number, needed: number): Finding {
  return {
    code: 'engine-config-mixed',
    level: 'warning',
    subject: path,
    found: `the handlers in ${path} are written for plugins of schema ${now}, and the other settings of containerd on this node need schema ${needed}`,
    needed: 'plugins of one schema: nodeadm drops the settings of the other one without a word',
    next: 'nothing: the next change, or the boot guard at the next boot, writes the handlers again',
  };
}

/** Another program or user changed the file. It stays if it still defines the wanted handlers; an edit would be a guess. */
async function keepAltered(seen: readonly SeenMark[], wanted: WantedHandler[], recorded: Wiring, findings: Finding[]): Promise<WiringPlan> {
  const now = seen.find(({ state }) => state === 'altered')?.now ?? '';
  const { config } = await readNodeConfig(now, wiringFile);
  const { value } = parseDocument(config, wiringFile);
  const named = [oldPlugin, newPlugin].map((plugin) => valueAt(value, runtimesPath(plugin)));
  const serves = wanted.every((handler) => named.some((runtimes) => leadsToOurs(valueAt(runtimes, [handler.name]), handler)));
  const stale = recorded.handlers.some(
    ({ name }) => !wanted.some((handler) => handler.name === name) && Object.hasOwn(runtimesOf(value), name),
  );
  if (!serves || stale) throw editedByOthers(findings);
  return { wiring: { ...recorded, handlers: wanted }, changes: [], makeFolders: [], dropFolders: [], findings };
}
