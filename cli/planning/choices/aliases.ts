import { aliasLabel, isHandlerName } from '../../components/index.ts';
import { refusedKeys } from '../../documents/index.ts';
import { engines } from '../../engines/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostView } from '../../host/index.ts';
import { handlerRow, handlerTable, installedName } from '../../layout/index.ts';
import { command } from '../../output/index.ts';
import type { Generation } from '../../store/index.ts';

/** `--alias kata=qemu`; without a handler the name goes: `--alias kata=`. */
export interface AliasRequest {
  name: string;
  /** As it is installed: 'kata-qemu'. */
  handler?: string;
}

/** The requests of `--alias NAME=HANDLER`, in their order. Two for the same name are a mistake. Throws `usage`, `handler-unknown`. */
export function aliasRequests(words: string[]): AliasRequest[] {
  const requests = words.map(aliasRequest);
  const twice = requests.find(({ name }, at) => requests.findIndex((other) => other.name === name) !== at);
  if (twice !== undefined) throw wrong(`--alias ${twice.name}=… is given twice`, 'each name once');
  return requests;
}

function aliasRequest(word: string): AliasRequest {
  const [, name, target] = /^([^=]*)=(.*)$/s.exec(word) ?? [];
  if (name === undefined || target === undefined) throw wrong(`--alias ${word}`, 'NAME=HANDLER, or NAME= to remove the alias');
  requireAliasName(name);
  return target === '' ? { name } : { name, handler: installedName(handlerRow(target).name) };
}

/** Throws `usage` for a name that no RuntimeClass may have, or that is an engine’s or a handler’s own. */
export function requireAliasName(name: string): void {
  if (!aliasLabel.test(name)) {
    throw wrong(`the name ${JSON.stringify(name)}`, 'at most 63 lower-case letters, digits and inner hyphens, as in a RuntimeClass');
  }
  if (refusedKeys.has(name)) throw wrong(`the name ${name}, which no document may have as a key`, 'another name, such as kata');
  if (engines().some(({ reservedHandlers }) => reservedHandlers.includes(name)))
    throw wrong(`the name ${name}, which belongs to the engine`, 'a name of your own, such as kata');
  if (isHandlerName(name)) throw wrong(`the name ${name}, which is a handler’s own`, 'a name of your own, such as kata');
}

function wrong(found: string, needed: string): KataError {
  return new KataError('usage', { subject: '--alias', found, needed, next: 'kata-sysext install BUNDLE --alias kata=qemu' });
}

/**
 * The aliases after a change to these handlers. A name whose handler goes is not dropped in silence: RuntimeClasses point at it.
 * Throws `handler-not-installed` and `alias-would-dangle`.
 */
export function aliasesAfter(
  host: HostView,
  from: Generation | undefined,
  requests: AliasRequest[],
  handlers: string[],
): Record<string, string> {
  const aliases = { ...from?.manifest.choices.aliases };
  for (const { name, handler } of requests) {
    if (handler === undefined) {
      if (!Object.hasOwn(aliases, name)) throw noAlias(name, Object.keys(aliases));
      delete aliases[name];
      continue;
    }
    if (!handlers.includes(handler)) throw notThere(host, name, handler, handlers);
    aliases[name] = handler;
  }
  const shadowed = Object.keys(aliases).find((name) => handlers.includes(name));
  if (shadowed !== undefined)
    throw wrong(`the alias ${shadowed}, which is a handler of this change by its own name`, `--alias ${shadowed}=`);
  const dangling = Object.entries(aliases).filter(([, handler]) => !handlers.includes(handler));
  if (dangling.length > 0) {
    const words = (to: string) => dangling.map(([name]) => `--alias ${name}=${to}`).join(' ');
    throw wouldDangle(dangling, `add ${words(handlers[0]!)} to keep the name, or ${words('')} to remove it`);
  }
  return aliases;
}

/** RuntimeClasses may use an alias, so that no change removes it, or points it at another handler, unless the user says so. */
export function wouldDangle(dangling: [name: string, handler: string][], next: string): KataError {
  return new KataError('alias-would-dangle', {
    subject: dangling.map(([name]) => name).join(', '),
    found: dangling.map(([name, handler]) => `${name} is an alias of ${handler}, which this change removes`).join('; '),
    needed: 'another handler for the alias, or its removal: RuntimeClasses may use it',
    next,
  });
}

/**
 * An adopted name that is neither a handler nor requested as an alias becomes an alias of the first handler. Kata's own name of a handler that
 * is not among `handlers` cannot be an alias. Throws `handler-not-installed`.
 */
export function withAdopted(
  host: HostView,
  requests: AliasRequest[],
  adopted: string[],
  handlers: string[],
  mode = 'layered',
): AliasRequest[] {
  const left = adopted.filter((name) => !handlers.includes(name) && !requests.some((request) => request.name === name));
  const own = left.find((name) => handlerTable.handlers.some((row) => row.name === name || installedName(row.name) === name));
  if (own !== undefined) throw notAmong(host, own, handlers, mode);
  return [...requests, ...left.map((name) => ({ name, handler: handlers[0]! }))];
}

function notAmong(host: HostView, name: string, handlers: string[], mode: string): KataError {
  return new KataError('handler-not-installed', {
    subject: name,
    found: `RuntimeClasses may point at ${name}, and the handlers would be ${handlers.join(', ')}`,
    needed: `${name} among them: the name is a handler’s own, and no alias`,
    next: command(host, `adopt ${mode} BUNDLE... ${[...handlers, name].map((each) => `--handler ${each}`).join(' ')}`),
  });
}

function noAlias(name: string, known: string[]): KataError {
  return new KataError('handler-not-installed', {
    subject: name,
    found: `there is no alias ${name}`,
    needed: known.length === 0 ? 'an alias; none is installed' : `one of ${known.sort().join(', ')}`,
    next: 'kata-sysext status',
  });
}

export function notThere(host: HostView, name: string, handler: string, handlers: string[]): KataError {
  return new KataError('handler-not-installed', {
    subject: name,
    found: `the alias ${name} is requested for ${handler}, which is not among the handlers (${handlers.join(', ')})`,
    needed: `${handler} installed as well`,
    next: command(host, `install BUNDLE... --add-handler ${handler} --alias ${name}=${handler}`),
  });
}
