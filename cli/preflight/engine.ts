import { type Engine, engineNamed, enginePlugins, engines, refusalBy, rendererOf, type Sighting, type Wiring } from '../engines/index.ts';
import { codeRow, commandWord, didYouMean, type Finding, KataError } from '../errors/index.ts';
import { hasKubelet, kubeletSocket } from '../facts/index.ts';
import type { HostPath, HostView } from '../host/index.ts';
import type { Found } from '../planning/types.ts';

/**
 * The engine to wire: the one named by `--engine NAME[@VERSION]`, else the one that the active generation is wired to (`recorded`), else
 * the one whose socket the kubelet uses, else the one that runs; one that is only installed comes last. Otherwise nothing is guessed.
 */
export async function findEngine(host: HostView, wish: string | undefined, recorded?: string): Promise<Found> {
  await needSystemd(host);
  const [name = '', version] = (wish ?? recorded ?? '').split('@');
  if (recorded !== undefined && name !== recorded && engineNamed(name) !== undefined) throw otherEngine(recorded, name);
  const found = await detected(host, name === '' ? ordinary() : named(name), version);
  const kubelet = await hasKubelet(host);
  const socket = kubelet ? await kubeletSocket(host) : undefined;
  const used = socket === undefined ? undefined : await servingAt(host, socket, found);
  const served = servingKubelet(found, kubelet);
  const running = served.filter(({ instance }) => instance.process !== undefined);
  const candidates = firstOfEach(running.length > 0 ? running : served);
  const best = used ?? candidates[0];
  if (name !== '' && best !== undefined) return best;
  // What writes the configuration of the node's engine comes first: an ordinary engine beside it serves no pods.
  const renderer = name === '' ? (await rendererOf(host, best?.instance))?.renderer : undefined;
  const [rendered] = renderer?.kind === 'engine' ? await detected(host, [renderer]) : [];
  if (rendered !== undefined) return rendered;
  if (best === undefined) throw missing(host, wish, name);
  if (used === undefined && socket !== undefined) throw unmatched(socket, found);
  if (used === undefined && candidates.length > 1) throw ambiguous(candidates, running.length > 0);
  return best;
}

/** Those whose own configuration is read. */
function ordinary(): Engine[] {
  return engines().filter(({ renders }) => renders === undefined);
}

/** Every instance of these engines. */
async function detected(host: HostView, all: Engine[], version?: string): Promise<Found[]> {
  const found: Found[] = [];
  for (const engine of all) {
    for (const instance of await engine.detect(host, version)) found.push({ engine, instance });
  }
  return found;
}

/**
 * An engine without a CRI is beside the node's own where there is a kubelet, and beside any other where its daemon does not run: there it is
 * wired by name alone.
 */
function servingKubelet(found: Found[], kubelet: boolean): Found[] {
  const serving = found.filter(({ engine }) => engine.cri !== undefined || engine.daemon === undefined);
  if (serving.length === 0 || serving.length === found.length) return found;
  if (kubelet) return serving;
  return found.filter((each) => serving.includes(each) || each.instance.process !== undefined);
}

/** Of several instances of an engine the first one, which its usual unit runs. */
function firstOfEach(found: Found[]): Found[] {
  return found.filter(({ engine }, index) => found.findIndex((other) => other.engine === engine) === index);
}

/**
 * As `findEngine`, for a change that brings wiring: throws `engine-rendered` where another program writes what the node's containerd reads,
 * also if the engine was named, because naming it does not make anybody read the file.
 */
export async function findEngineToWire(host: HostView, wish: string | undefined, recorded?: string): Promise<Found> {
  const found = await findEngine(host, wish, recorded).catch((error: unknown) => {
    if (error instanceof KataError && unfound.includes(error.code)) return error;
    throw error;
  });
  // No kubelet reads what an engine without a CRI has, so that none of its files is rendered for one.
  const apart = !(found instanceof KataError) && found.engine.cri === undefined && (wish ?? recorded) !== undefined;
  if (apart) return found;
  const rendered = await rendererOf(host, found instanceof KataError ? undefined : found.instance);
  const other = rendered !== undefined && (found instanceof KataError || rendered.renderer.name !== found.engine.name);
  if (other) throw renderedBy(rendered, recorded !== undefined);
  if (found instanceof KataError) throw found;
  return found;
}

/**
 * As `findEngine`, for the removal of all wiring. An engine that another program has uninstalled does not run: what is left of its recorded
 * files is edited, and nothing is restarted.
 */
export async function findEngineToUnwire(host: HostView, wish: string | undefined, wiring: Wiring | undefined): Promise<Found> {
  try {
    return await findEngine(host, wish, wiring?.engine);
  } catch (error) {
    const engine = wiring === undefined ? undefined : engineNamed(wiring.engine);
    if (!(error instanceof KataError) || error.code !== 'engine-missing' || engine === undefined || wiring === undefined) throw error;
    return { engine, instance: { engine: wiring.engine, configPath: wiring.configPath } };
  }
}

/** The one whose CRI answers at this socket, of several the one that runs; undefined where there is none. */
async function servingAt(host: HostView, socket: HostPath, found: Found[]): Promise<Found | undefined> {
  const real = await realSocket(host, socket);
  const serving: Found[] = [];
  for (const each of found) {
    const { socket: own } = each.instance;
    if (each.engine.cri !== undefined && own !== undefined && (await realSocket(host, own)) === real) serving.push(each);
  }
  return serving.find(({ instance }) => instance.process !== undefined) ?? serving[0];
}

/** A tree whose /var comes at its first boot has no link at /var/run yet. */
function realSocket(host: HostView, path: HostPath): Promise<HostPath> {
  return host.realpath(path.replace(/^\/var\/run\//, '/run/'));
}

/** What `findEngine` says where it finds no engine, or several. */
const unfound = ['engine-missing', 'host-unknown'];

function renderedBy({ renderer, mark }: Sighting, installed: boolean): KataError {
  const { title } = renderer;
  const { found, needed, next } = refusalBy(renderer, installed);
  return new KataError('engine-rendered', {
    subject: title,
    found: `${found} (${mark})`,
    needed,
    next,
    details: { renderer: title, mark },
  });
}

function missing(host: HostView, wish: string | undefined, name: string): KataError {
  const asked = name === '' ? engines() : named(name);
  const names = asked.map((engine) => engine.name);
  const units = asked.map((engine) => engine.units[0]?.replace(/\.service$/, '') ?? engine.name);
  const [first = '', ...others] = host.live ? units : names;
  const more = others.length === 0 ? '' : ` (or ${others.join(', ')})`;
  const either = [names.slice(0, -1).join(', '), names.at(-1)].filter(Boolean).join(' or ');
  // One that is looked for with a version is known by more than its name: by its units, which the tree lacks.
  const offline = wish?.includes('@') === true ? `install ${either} in the tree first` : `name it: --engine ${first}@VERSION${more}`;
  return new KataError('engine-missing', {
    subject: wish ?? host.root,
    found: host.live ? `no running ${either}` : `no ${either} in the tree`,
    needed: 'an engine that this version supports',
    next: host.live ? `start it: systemctl start ${first}${more}` : offline,
  });
}

/** Without a way to PID 1 an engine's unit is not seen, and the files would be edited for an engine that never hears of it. */
async function needSystemd(host: HostView): Promise<void> {
  // As sd_booted(3) tells.
  if (!host.live || (await host.lstat('/run/systemd/system')) === undefined || (await host.systemd()) !== undefined) return;
  throw new KataError('host-no-systemd', {
    subject: 'systemd',
    found: 'systemd runs this host, but answers neither at /run/dbus/system_bus_socket nor at /run/systemd/private',
    needed: 'a way to ask it for restarts',
    next: 'ls -l /run/dbus/system_bus_socket /run/systemd/private; “kill -TERM 1” makes systemd open its own socket again',
  });
}

/** With another engine, the text of kata-sysext would stay in the first engine’s configuration, or change without a restart of that engine. */
function otherEngine(recorded: string, wish: string): KataError {
  return new KataError('engine-unsupported', {
    subject: '--engine',
    found: `--engine ${wish}, but what is installed here is wired to ${recorded}`,
    needed: 'one engine for an installation',
    next: `kata-sysext uninstall, then install with --engine ${wish}`,
  });
}

function ambiguous(found: Found[], running: boolean): KataError {
  const names = found.map(({ engine }) => engine.name);
  return new KataError('host-unknown', {
    subject: '--engine',
    found: `${names.join(' and ')} are both ${running ? 'running' : 'here'}`,
    needed: 'to know which of them serves the kubelet',
    next: `name it: ${names.map((name) => `--engine ${name}`).join(' or ')}`,
  });
}

/** Another engine than the kubelet's would get handlers that no pod finds. */
function unmatched(socket: HostPath, found: Found[]): KataError {
  const names = firstOfEach(found).map(({ engine }) => engine.name);
  return new KataError('host-unknown', {
    subject: '--engine',
    found: `the kubelet uses ${socket}, which is no socket of ${names.join(' or ')}`,
    needed: 'to know which engine to wire: the one of the kubelet was not found',
    next: `name it: ${names.map((name) => `--engine ${name}`).join(' or ')}`,
  });
}

/** A tree whose administrator masked the engine's unit: nothing starts it there. On a host that runs, PID 1 says so. */
export async function maskedFindings(host: HostView, { engine, instance: { unit } }: Found): Promise<Finding[]> {
  if (host.booted || unit === undefined || (await host.readlink(`${ownUnits}/${unit}`)) !== '/dev/null') return [];
  const root = host.root === '/' ? '' : `--root ${commandWord(host.root)} `;
  return [
    {
      code: 'engine-masked',
      level: 'warning',
      subject: unit,
      found: `${unit} is masked in the tree (${ownUnits}/${unit} points at /dev/null): no boot starts ${engine.title}`,
      needed: 'a unit that a boot starts',
      next: `systemctl ${root}unmask ${commandWord(unit)}; or name another engine: --engine NAME@VERSION`,
    },
  ];
}

const ownUnits: HostPath = '/etc/systemd/system';

/** What prevents a restart of this engine now. */
export async function restartFindings(host: HostView, { engine, instance }: Found): Promise<Finding[]> {
  const systemd = await host.systemd();
  if (systemd === undefined || instance.unit === undefined || engine.daemon === undefined) return [];
  const unit = await systemd.unit(instance.unit);
  return [...(await engine.daemon.pendingRestarts(host, instance)), ...(await engine.daemon.restartRisks(host, instance, unit))];
}

/** Throws the first blocker that was not allowed; gives the others back as what they now are: warnings. */
export function refuse(findings: Finding[], allow: string[]): Finding[] {
  return findings.map((finding) => {
    if (finding.level !== 'blocker') return finding;
    if (allow.includes(finding.code) && codeRow(finding.code).overridable) return { ...finding, level: 'warning' };
    throw KataError.of(finding);
  });
}

function named(name: string): Engine[] {
  const engine = engineNamed(name);
  if (engine !== undefined) return [engine];
  const refused = enginePlugins().find((row) => row.name === name);
  if (refused?.kind === 'refused' && refused.named !== undefined)
    throw new KataError('engine-unsupported', { subject: name, ...refused.named });
  throw new KataError('usage', {
    subject: '--engine',
    found: `--engine ${name}${didYouMean(
      name,
      engines().map((each) => each.name),
    )}`,
    needed: `one of ${engines()
      .map((each) => each.name)
      .join(', ')}`,
    next: 'kata-sysext install --help',
  });
}
