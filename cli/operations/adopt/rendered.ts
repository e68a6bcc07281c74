import { backendOf } from '../../backends/index.ts';
import { probeTimeouts } from '../../engines/index.ts';
import { type Finding, KataError } from '../../errors/index.ts';
import { type MachineConfig, machineConfigOf } from '../../facts/index.ts';
import { type Bringer, firstBootScript, firstBootUnit } from '../../generate/index.ts';
import type { Digest, HostPath, HostView } from '../../host/index.ts';
import { ownerText } from '../../inspect/owner.ts';
import { verify } from '../../inspect/verify.ts';
import { command } from '../../output/index.ts';
import type { ChangeOptions } from '../../planning/choices/types.ts';
import { guardOf } from '../../planning/programCopy.ts';
import { nothingAfterwards, switchRecords } from '../../planning/records.ts';
import type { Found } from '../../planning/types.ts';
import { refuse } from '../../preflight/engine.ts';
import { findEngines } from '../../preflight/engines.ts';
import { bringerOf, generating, generatingText } from '../../preflight/owned.ts';
import { etcFindings } from '../../preflight/refusals.ts';
import { checkedSwitch } from '../../preflight/switch.ts';
import type { OperationPlan, View } from '../../runner/types.ts';
import { activeGeneration, type Generation, type Owner, offeredBy, wiringFor } from '../../store/index.ts';
import type { PointerStep } from '../../transaction/index.ts';

/** What an archive brings is generation 1 of a host that had none. */
const brought = 1;

/**
 * What Ignition or a MachineConfig brought becomes an installation like any other: it is proven to be what its records say, its owner is
 * recorded, and what ran at the first boot is taken out of use where that is not the operator's. No byte of Kata changes.
 * Throws `nothing-to-adopt` and `adopt-unproven`.
 */
export async function planAdoptRendered(view: View, options: ChangeOptions): Promise<OperationPlan> {
  const { host, id, started } = view;
  refuse(await etcFindings(host), options.allow);
  const from = await activeGeneration(host);
  const firstBoot = await finished(host, from);
  if (from?.manifest.number !== brought) throw otherActive(host, from);
  const config = await machineConfigOf(host);
  const bringer = config === undefined ? undefined : await bringerOf(host, config);
  const owner = ownerOf(firstBoot, config, bringer);
  const to = from.manifest;
  const engines = await findEngines(host, options.engines, from.record.wiring);
  for (const found of engines) await prove(view, from, found);
  const further = owner.kind === 'ignition' ? await outOfUse(host) : [];
  const guard = await guardOf(view, to);
  const planned = await checkedSwitch(host, { verb: 'adopt', id, engines, from, to, options, guard, further });
  const { plan } = planned;
  if (config !== undefined && owner.kind === 'machineconfig') plan.findings.push(await staysTheirs(host, owner, config, from));
  const recorded = JSON.stringify(from.record.owner) === JSON.stringify(owner);
  if (!recorded) plan.steps.push({ kind: 'record', text: `note that generation ${brought} was brought by ${ownerText(owner)}` });
  const idle = recorded && planned.steps.length === 0;
  const records = switchRecords({ from, to: brought, allow: options.allow }, planned, host.live, started).map((each) => ({
    ...each,
    owner,
  }));
  return {
    verb: 'adopt',
    plan,
    idle,
    from: brought,
    to,
    engines,
    planned,
    program: idle ? undefined : { own: to.program === view.program },
    afterwards: { ...nothingAfterwards, records },
  };
}

/** Node for node Ignition writes both; where the operator looks after them as well, they are its own. */
function ownerOf({ files, archive }: FirstBoot, config: MachineConfig | undefined, bringer: Bringer | undefined): Owner {
  const theirs = files.filter((path) => config?.paths.has(path));
  if (config === undefined || theirs.length === 0) return { kind: 'ignition', files, archive };
  const known = bringer === undefined ? {} : { name: bringer.name };
  return { kind: 'machineconfig', ...known, files: theirs, archive };
}

async function finished(host: HostView, from: Generation | undefined): Promise<FirstBoot> {
  const firstBoot = await firstBootOf(host);
  if (firstBoot === undefined || firstBoot === 'hook') {
    const found = firstBoot === undefined ? `there is no ${firstBootScript}` : 'the program itself installed here, at the first boot';
    throw nothing(
      `${found}; ${from === undefined ? 'nothing is installed' : 'what is installed has no other owner'}`,
      command(host, 'status'),
    );
  }
  if (firstBoot.worked === 'yes') return firstBoot;
  throw new KataError('adopt-unproven', {
    subject: firstBootUnit,
    found: firstBoot.worked === 'begun' ? `${firstBootUnit} was interrupted while it copied` : `${firstBootUnit} has not worked yet`,
    needed: 'a first boot that is finished',
    next: `journalctl -u ${firstBootUnit}; systemctl start ${firstBootUnit}`,
  });
}

function otherActive(host: HostView, from: Generation | undefined): KataError {
  if (from === undefined) return nothing('no generation is active', command(host, 'status'));
  const { number } = from.manifest;
  return nothing(`generation ${number} is active, which the program made itself`, command(host, `rollback --to ${brought}`));
}

function nothing(found: string, next: string): KataError {
  return new KataError('nothing-to-adopt', { subject: 'rendered', found, needed: 'what generate --form rendered brings to a node', next });
}

/** Files by their digests, wiring by its text; on a host that runs also by what the engine makes of it, and what its CRI lists. */
async function prove({ host, withScratch }: View, from: Generation, found: Found): Promise<void> {
  const { manifest, record } = from;
  const { engine, instance } = found;
  // What the policy denies is no drift: the change itself asks, and may be allowed to go on.
  const drifted = (await verify(host)).drift.filter(({ level, code }) => level === 'blocker' && code !== 'host-selinux-denies');
  const drift = drifted.map((finding) => finding.found);
  if (drift.length > 0) throw unproven(host, manifest.payloadFolder, drift);
  const wanted = offeredBy(manifest, backendOf(manifest.backend).mountPoint(manifest.payloadFolder));
  const { changes } = await engine.plan(host, instance, wanted, wiringFor(record.wiring, engine.name));
  if (changes.length > 0)
    throw unproven(
      host,
      instance.configPath,
      changes.map(({ path }) => `${path} is not the wiring that is needed`),
    );
  if (!host.live) return;
  const names = wanted.map(({ name }) => name);
  const removal = await engine.plan(host, instance, [], wiringFor(record.wiring, engine.name));
  const { dump, daemon } = engine;
  const bare = await withScratch(found, async (scratch) => dump?.renderPlanned(host, instance, removal, scratch));
  const now = (await dump?.dumpEffective(host, instance)) ?? {};
  const { others, warnings } = dump?.compare(bare ?? {}, now, names) ?? { others: [], warnings: [] };
  const unnamed = names.filter((name) => dump?.compare(bare ?? {}, now, [name]).ours.length === 0);
  const state = await daemon?.probe(host, instance, probeTimeouts.onceMs);
  const unlisted = names.filter((name) => state?.handlers.includes(name) === false);
  const problems = [
    ...others.map((key) => `the wiring of kata-sysext changes ${key}, which belongs to none of its handlers`),
    ...warnings,
    ...unnamed.map((name) => `the effective configuration does not name ${name}`),
    ...unlisted.map((name) => `the CRI does not list ${name}${state?.why === undefined ? '' : `: ${state.why}`}`),
  ];
  if (problems.length > 0) throw unproven(host, instance.unit ?? engine.name, problems);
}

function unproven(host: HostView, subject: string, problems: string[]): KataError {
  return new KataError('adopt-unproven', {
    subject,
    found: problems.slice(0, 5).join('; '),
    needed: 'a host that is what the records of generation 1 say',
    next: `${command(host, 'verify')} lists all; ${command(host, 'install BUNDLE...')} repairs it`,
    details: { problems },
  });
}

async function staysTheirs(host: HostView, owner: Owner, config: MachineConfig, { manifest }: Generation): Promise<Finding> {
  const next = await generating(host, config, manifest);
  return {
    code: 'owned-by-machineconfig',
    level: 'info',
    subject: owner.files[0]!,
    found: `${owner.files.join(' and ')} belong to ${ownerText(owner)} and stay as they are; what they ran is done, and is skipped at every boot`,
    needed: 'nothing here; new nodes get what that MachineConfig names',
    next: next === undefined ? command(host, 'status') : `another release, on this node as on new ones: ${generatingText(next)}`,
  };
}

const unitsFolder: HostPath = '/etc/systemd/system';
const unitFile: HostPath = `${unitsFolder}/${firstBootUnit}`;
const wants: HostPath = `${unitsFolder}/multi-user.target.wants/${firstBootUnit}`;
/** systemd takes no file of such a name for a unit. */
const temporary: HostPath = `${unitsFolder}/.new-${firstBootUnit}.tmp`;

/** What runs at the first boot of a node, in the form *rendered*, as it is found there. */
interface FirstBoot {
  /** Script and unit. */
  files: HostPath[];
  archive: { name: string; digest: Digest; url?: string | undefined };
  /** 'never': it has not worked yet; 'begun': it was interrupted while it copied. */
  worked: 'yes' | 'begun' | 'never';
}

/** 'hook': what is there fetches the program, which installs by itself. undefined: nothing is there. */
async function firstBootOf(host: HostView): Promise<FirstBoot | 'hook' | undefined> {
  const text = await host.readText(firstBootScript);
  if (text === undefined) return undefined;
  const [, stamp] = /^stamp=(\/\S+)$/m.exec(text) ?? [];
  const [, name, hex, url] = /^fetch (\S+) ([0-9a-f]{64})(?: (\S+?))?(?: \d+)?$/m.exec(text) ?? [];
  if (stamp === undefined || name === undefined || !/^place \//m.test(text)) return 'hook';
  const there = async (path: HostPath) => (await host.lstat(path)) !== undefined;
  const files = [firstBootScript, ...((await there(unitFile)) ? [unitFile] : [])];
  const begun = await there(`${stamp}.begun`);
  return {
    files,
    archive: { name, digest: `sha256:${hex}`, url },
    worked: begun ? 'begun' : (await there(stamp)) ? 'yes' : 'never',
  };
}

/** Its unit is started at no boot any more. The files stay: they are another's, and `systemctl enable` takes it back. */
async function outOfUse(host: HostView): Promise<PointerStep[]> {
  const before = await host.readlink(wants);
  return before === undefined ? [] : [{ kind: 'pointer', path: wants, before, after: 'absent', temporary }];
}
