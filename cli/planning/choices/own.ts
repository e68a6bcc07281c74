import { basename } from 'node:path';
import { backendOf } from '../../backends/index.ts';
import type { OwnFile, OwnRequest, OwnSource, OwnWanted, PayloadHandler, PlannedComponent } from '../../components/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import { handlerRow } from '../../layout/index.ts';
import { command, words } from '../../output/index.ts';
import { type Generation, type GenerationHandler, type Origin, payloadOf, readGenerations } from '../../store/index.ts';
import { type AliasRequest, notThere, requireAliasName, wouldDangle } from './aliases.ts';
import type { InstallRequest } from './types.ts';
import { typedSources } from './wanted.ts';

/** The aliases with files of the user after a change. */
export interface OwnAfter {
  /** What staging adds to the release. */
  requests: OwnRequest[];
  /** What the change says of other aliases. */
  aliases: AliasRequest[];
  /** Names that go. */
  gone: string[];
  /** Some differ from those of the active generation. */
  changed: boolean;
}

type OwnHandler = GenerationHandler & { own: NonNullable<GenerationHandler['own']> };

/** The handlers of a generation that have files of the user. */
export function ownHandlers(from: Generation | undefined): OwnHandler[] {
  return (from?.manifest.handlers ?? []).filter((handler): handler is OwnHandler => handler.own !== undefined);
}

/**
 * What the command says of them, on top of what is installed: a kind that is named replaces the installed one, and all else is carried over.
 *
 * @param handlers installed names of the release's handlers after the change; undefined: the release's default, which is not known yet
 * Throws `component-missing`, `component-unfit`, `handler-not-installed`, `alias-would-dangle`.
 */
export async function ownAfter(
  host: HostView,
  from: Generation | undefined,
  request: Pick<InstallRequest, 'aliases' | 'own'>,
  handlers: string[] | undefined,
  architecture: string | undefined,
): Promise<OwnAfter> {
  const { aliases = [], own = [] } = request;
  const installed = ownHandlers(from);
  const isOwn = ({ name }: { name: string }) => installed.some((handler) => handler.name === name);
  const gone = aliases.filter((each) => each.handler === undefined && isOwn(each)).map(({ name }) => name);
  const stay = installed.filter(({ name }) => !gone.includes(name));
  const plain = from?.manifest.choices.aliases ?? {};
  const baseOf = (name: string) => aliases.find((each) => each.name === name)?.handler;
  const requests = [
    ...(await Promise.all(stay.map((handler) => merged(host, from!, handler, own, baseOf(handler.name))))),
    ...own
      .filter((wanted) => !isOwn(wanted))
      .map((wanted) => requestOf(wanted, Object.hasOwn(plain, wanted.name) ? plain[wanted.name] : undefined)),
  ];
  if (handlers !== undefined) requireBases(host, requests, handlers, stay);
  await requireFiles(requests, handlers, architecture);
  return {
    requests,
    // A plain alias that gets files of the user is one no more.
    aliases: [
      ...aliases.filter((each) => !isOwn(each)),
      ...own.filter(({ name }) => Object.hasOwn(plain, name)).map(({ name }) => ({ name })),
    ],
    gone,
    changed: gone.length > 0 || !(await sameAs(requests, own, stay)),
  };
}

export function requestOf({ name, base, files }: OwnWanted, earlier?: string): OwnRequest {
  return { name, base: base ?? earlier, files: files.map(({ kind, file }) => ({ kind, name: basename(file), file })) };
}

async function merged(
  host: HostView,
  from: Generation,
  { name, own }: OwnHandler,
  wanted: OwnWanted[],
  base: string | undefined,
): Promise<OwnRequest> {
  const now = wanted.find((each) => each.name === name);
  const given = now === undefined ? [] : requestOf(now).files;
  const kept = own.files.filter(({ kind }) => !given.some((each) => each.kind === kind || areRoots(each.kind, kind)));
  return {
    name,
    base: now?.base ?? base ?? own.base,
    files: [...(await Promise.all(kept.map((file) => keptFile(host, from, file)))), ...given],
  };
}

/** A guest has one root: an image replaces an initrd, and the other way round. */
function areRoots(...kinds: string[]): boolean {
  return kinds.every((kind) => ['image', 'initrd'].includes(kind));
}

/** Where the bytes of an installed component may be: in the active payload, where the host shows it, and in other payloads that have them. */
async function keptFile(host: HostView, from: Generation, { kind, name, path, digest }: OwnFile): Promise<OwnSource> {
  const others = (await readGenerations(host)).filter(({ manifest }) => manifest.number !== from.manifest.number);
  const paths: string[] = [];
  for (const { manifest } of [from, ...others]) {
    const entries = manifest === from.manifest ? [path] : await pathsIn(host, manifest, digest);
    // An image shows its files only while it is merged.
    const shown =
      manifest === from.manifest
        ? [manifest.payloadFolder, backendOf(manifest.backend).payloadDir(manifest.payloadFolder)]
        : [manifest.payloadFolder];
    for (const folder of new Set(shown)) for (const each of entries) paths.push(`${folder}/${each}`);
  }
  return { kind, name, kept: { paths, digest } };
}

async function pathsIn(host: HostView, manifest: Generation['manifest'], digest: string): Promise<string[]> {
  const payload = await payloadOf(host, manifest).catch(() => undefined);
  return (payload?.entries ?? []).filter((entry) => entry.digest === digest).map((entry) => entry.path);
}

/** What is wrong with a file is said before a release is unpacked, as far as it is known who runs it. */
async function requireFiles(requests: OwnRequest[], handlers: string[] = [], architecture: string | undefined): Promise<void> {
  const { requireComponent } = await import('../../components/read.ts');
  for (const { base, files } of requests) {
    const handler = base ?? (handlers.length === 1 ? handlers[0] : undefined);
    const runner =
      handler === undefined || architecture === undefined
        ? undefined
        : { handler, hypervisor: handlerRow(handler).hypervisor, architecture };
    for (const { kind, file } of files) if (file !== undefined) await requireComponent(kind, file, runner);
  }
}

function requireBases(host: HostView, requests: OwnRequest[], handlers: string[], stay: OwnHandler[]): void {
  const lacking = requests.filter(({ base }) => base !== undefined && !handlers.includes(base));
  const dangling = lacking.filter(({ name, base }) => stay.some((handler) => handler.name === name && handler.own.base === base));
  if (dangling.length > 0) {
    const all = (to: string) => dangling.map(({ name }) => `--alias ${name}=${to}`).join(' ');
    throw wouldDangle(
      dangling.map(({ name, base }) => [name, base!]),
      `add ${all(handlers[0]!)} to base it on another handler, or ${all('')} to remove it`,
    );
  }
  const [first] = lacking;
  if (first !== undefined) throw notThere(host, first.name, first.base!, handlers);
}

/** Whether the files that are named are those that are installed, on the same handlers. */
async function sameAs(requests: OwnRequest[], own: OwnWanted[], stay: OwnHandler[]): Promise<boolean> {
  for (const { name, base } of requests) {
    const handler = stay.find((each) => each.name === name);
    if (handler === undefined || handler.own.base !== base) return false;
    for (const { kind, file } of own.find((each) => each.name === name)?.files ?? []) {
      const { digestOfComponent } = await import('../../components/read.ts');
      if (handler.own.files.find((each) => each.kind === kind)?.digest !== (await digestOfComponent(kind, file))) return false;
    }
  }
  return true;
}

/** An origin whose files of the user have the places where they lay, for the command that brings them back. */
export function placed(origin: Origin, from: Generation | undefined, own: OwnWanted[] = []): Origin {
  const earlier = ownHandlers(from);
  const placeOf = (name: string, { kind, digest }: OwnFile) =>
    own.find((each) => each.name === name)?.files.find((each) => each.kind === kind)?.file ??
    earlier.find((each) => each.name === name)?.own.files.find((each) => each.kind === kind && each.digest === digest)?.place;
  const withPlaces = (name: string, files: OwnFile[]) =>
    files.map((file) => {
      const place = placeOf(name, file);
      return place === undefined ? file : { ...file, place };
    });
  const handlers = origin.handlers.map((handler) =>
    handler.own === undefined ? handler : { ...handler, own: { ...handler.own, files: withPlaces(handler.name, handler.own.files) } },
  );
  return { ...origin, handlers };
}

/** For a plan: the files of the user that come, or that stay in a new payload. */
export function plannedComponents(from: Generation | undefined, handlers: Pick<PayloadHandler, 'name' | 'own'>[]): PlannedComponent[] {
  const had = ownHandlers(from);
  return handlers.flatMap(({ name: handler, own }) =>
    (own?.files ?? []).map(({ kind, name, digest, sizeBytes }) => {
      const earlier = had.find((each) => each.name === handler)?.own.files ?? [];
      const kept = earlier.some((each) => each.kind === kind && each.digest === digest);
      return { handler, base: own!.base, kind, name, digest, sizeBytes, kept };
    }),
  );
}

/** What an image lacks that is installed here. Throws `usage`, `component-not-kept`. */
export function refuseImageWithout(
  host: HostView,
  { requests }: Pick<OwnAfter, 'requests'>,
  request: InstallRequest,
  handlers: readonly { name: string; own?: unknown }[],
): void {
  if ((request.own ?? []).length > 0) {
    throw new KataError('usage', {
      subject: '--component',
      found: '--component together with an image, which is whole already',
      needed: 'an image that was made with the component',
      next: 'kata-sysext build BUNDLE --component NAME:kernel=FILE -o FILE; kata-sysext build --help',
    });
  }
  for (const { name, own } of handlers) if (own !== undefined) requireAliasName(name);
  const lacking = requests.filter(({ name }) => !handlers.some((handler) => handler.name === name && handler.own !== undefined));
  if (lacking.length === 0) return;
  throw new KataError('component-not-kept', {
    subject: lacking.map(({ name }) => name).join(', '),
    found: `${lacking.map(({ name }) => name).join(', ')} has files of the user, and the image does not have it`,
    needed: 'an image that was made with the same --component, or the removal of the alias',
    next: command(host, `install ${words([...typedSources(request), ...lacking.flatMap(({ name }) => ['--alias', `${name}=`])])}`),
  });
}
