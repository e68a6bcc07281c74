import { resolve } from 'node:path';
import type { HostView } from '../../host/index.ts';
import { type Check, check } from '../../inspect/check.ts';
import type { Offers } from '../../inspect/offers.ts';
import { command, findingLines, words as quoted } from '../../output/index.ts';
import { writesText } from '../answer.ts';
import { enginesOf, list, text } from '../parsing/options.ts';
import type { Call, Reply } from '../types.ts';

export async function run({ context, options, words, io }: Call): Promise<Reply> {
  const [backend, engines, format] = [text(options['backend']), enginesOf(options['engine']), text(options['format'])];
  const sources = words.map((word) => resolve(io.cwd, word));
  const seen = await check(context.host, {
    handlers: list(options['handler']),
    program: { program: context.program, programFile: context.programFile },
    backend,
    engines,
    format,
    bundle: sources.length === 0 ? undefined : { sources, emit: context.emit, signal: context.signal },
  });
  const { host } = seen;
  const lines = [
    ...findingLines(seen.findings),
    `host:    ${host.os} (${host.kind}, ${host.architecture}${host.ostree ? ', ostree' : ''}), SELinux ${host.selinux}`,
    ...(seen.engine === undefined ? ['engine:  none'] : [seen.engine, ...(seen.otherEngines ?? [])].map(engineLine)),
    `backend: ${seen.backend}`,
    ...(seen.bundle === undefined ? [] : bundleLines(seen.bundle)),
    ...(seen.writes === undefined || seen.installed !== undefined ? [] : [`writes:  about ${writesText(seen.writes)}`]),
    seen.ready ? `✓ ${readyText(context.host, seen, words)}` : '✗ not ready: see above',
  ];
  return { kind: 'Check', body: seen, text: lines, exitCode: seen.ready ? 0 : 3 };
}

function engineLine({ name, version, configPath, setsLabels }: NonNullable<Check['engine']>): string {
  const labels = setsLabels === undefined ? '' : `, SELinux labels ${setsLabels ? 'on' : 'off'}`;
  return `engine:  ${name} ${version ?? 'of unknown version'}, ${configPath}${labels}`;
}

function readyText(host: HostView, { installed, bundle }: Check, words: string[]): string {
  if (installed !== undefined) return `installed already: Kata ${bundle?.release}, generation ${installed}; install has nothing to do`;
  return `ready. Next: ${command(host, `install ${words.length === 0 ? 'BUNDLE' : quoted(words)}`)}`;
}

function bundleLines({ release, sources, handlers }: Offers): string[] {
  const rows = handlers.map(({ name, family, hypervisor, byDefault, installed, findings }) => {
    const notes = [
      byDefault ? ['the default'] : [],
      installed ? ['installed'] : [],
      ...findings.map(({ needed }) => [`needs ${needed}`]),
    ].flat();
    const shim = family === 'go' ? 'Go' : 'Rust';
    return `  ${findings.length === 0 ? '✓' : '!'} ${name}  (${hypervisor}, ${shim}${notes.length === 0 ? '' : `; ${notes.join('; ')}`})`;
  });
  return [`bundle:  Kata ${release} (${sources.join(', ')})`, ...rows];
}
