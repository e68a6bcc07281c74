import { isAddress, shownAddress } from '../../download/address.ts';
import { isOci } from '../../download/oci/reference.ts';
import { allowedCodes, KataError } from '../../errors/index.ts';
import type { Digest } from '../../host/index.ts';
import { words as quoted } from '../../output/index.ts';
import type { ChangeOptions } from '../../planning/choices/types.ts';
import type { Call } from '../types.ts';

/** The options that every changing verb has. Throws `usage` for a code that nothing overrides. */
export function changeOptionsOf({ options, context }: Call): ChangeOptions {
  refuseNoProof(options, context.host.live);
  return {
    dryRun: options['dry-run'] === true,
    waitSeconds: Number(options['wait'] ?? 0),
    allow: allowedCodes(list(options['allow'])),
    engines: enginesOf(options['engine']),
    prove: options['prove'] === 'pod' ? 'pod' : undefined,
  };
}

/** Throws `usage` where nothing will run that could be proven. */
function refuseNoProof(options: Call['options'], live: boolean): void {
  if (options['prove'] === undefined || (live && options['stage'] !== true)) return;
  const what = live ? '--stage, which leaves the engine as it is' : '--root: no engine runs there';
  throw new KataError('usage', {
    subject: '--prove',
    found: `--prove together with ${what}`,
    needed: 'a change of the running host',
    next: live ? 'kata-sysext activate --prove pod, after the installation' : 'kata-sysext verify --pod, on the host that runs the tree',
  });
}

/** `--engine NAME[@VERSION]`, once or more. Throws `usage` for a version that is none: wiring would be chosen as if nothing had been said. */
export function enginesOf(value: unknown): string[] {
  const engines = list(value);
  const wrong = engines.find((engine) => !/^[^@]+(?:@v?\d+\.\d+[^@\s]*)?$/.test(engine));
  if (wrong !== undefined) throw badEngine(JSON.stringify(wrong), 'NAME or NAME@VERSION, the version beginning with two numbers');
  const names = engines.map((engine) => engine.split('@')[0]!);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw badEngine(`${twice}, twice`, 'each engine once');
  return engines;
}

/** The same where the answer is about one engine. */
export function engineOf(value: unknown): string | undefined {
  const engines = enginesOf(value);
  if (engines.length > 1) throw badEngine(engines.join(' --engine '), 'one engine: what is made here is for one');
  return engines[0];
}

function badEngine(found: string, needed: string): KataError {
  return new KataError('usage', { subject: '--engine', found: `--engine ${found}`, needed, next: 'for example: --engine containerd@1.7' });
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function list(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}

/** What --digest says of each word; an address has to have one, or a signature. Throws `usage`. */
export function digestsFor(verb: string, words: string[], options: Call['options']): Digest[] {
  const digests = list(options['digest']).map(digestOf);
  // `bundle` keeps signatures and verifies none.
  const signatures = verb === 'bundle' ? [] : list(options['signature']);
  const unproven = words.find(
    (word, index) => isAddress(word) && !isOci(word) && digests[index] === undefined && signatures[index] === undefined,
  );
  if (unproven !== undefined) throw withoutDigest(verb, words, unproven);
  if (digests.length <= words.length) return digests;
  throw new KataError('usage', {
    subject: '--digest',
    found: `${digests.length} digests for ${words.length} bundles`,
    needed: 'at most one for each BUNDLE, in order',
    next: `kata-sysext ${verb} --help`,
  });
}

/** What comes before the bundles. */
const behindVerb: Record<string, string[]> = { adopt: ['layered'], bundle: ['save'] };

function withoutDigest(verb: string, words: string[], address: string): KataError {
  const shown = words.map((word) => (isAddress(word) ? shownAddress(word) : word));
  const command = ['kata-sysext', verb, ...(behindVerb[verb] ?? []), quoted(shown), ...words.map(() => '--digest sha256:HEX')];
  return new KataError('usage', {
    subject: shownAddress(address),
    found: `neither a digest nor a signature of ${shownAddress(address)} is named`,
    needed: 'the digest that the release page shows: what a server sends is used only if it has that',
    next: command.join(' '),
  });
}

/** Throws `usage`. */
export function digestOf(value: string): Digest {
  const hex = /^(?:sha256:)?([0-9a-fA-F]{64})$/.exec(value)?.[1];
  if (hex !== undefined) return `sha256:${hex.toLowerCase()}`;
  throw new KataError('usage', {
    subject: '--digest',
    found: `--digest ${value}`,
    needed: 'sha256: and 64 hexadecimal digits',
    next: 'sha256sum BUNDLE',
  });
}

/** The number of a generation as a word of the command line. Throws `usage`. */
export function generationNumber(word: string, verb: string): number {
  if (/^(0|[1-9]\d{0,8})$/.test(word)) return Number(word);
  throw new KataError('usage', {
    subject: verb,
    found: `${verb} ${JSON.stringify(word)}`,
    needed: 'the number of a generation',
    next: 'kata-sysext status',
  });
}
