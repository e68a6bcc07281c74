import { digestOf } from '../host/index.ts';
import { fill, shellWord } from './fill.ts';
import type { FirstBoot, FirstBootRequest, Source } from './types.ts';

/** Between two tries of a node whose server is away. */
const pauseSeconds = 30;
/** Which installations have worked on this node, one empty file each. */
const stamps = '/var/lib/kata-sysext-first-boot';

export const hookUnit = 'kata-sysext-first-boot.service';
/** Our own folder in /etc belongs to the program: what is here belongs to whoever wrote the configuration of the node. */
export const hookScript = '/etc/kata-sysext-first-boot/hook.sh';

/** Where a hook finds its parts: below /etc for a configuration that is written to a node, below /usr in an image. */
export interface HookPlaces {
  script: string;
  work: string;
}

/** A unit that fetches program and release, verifies both and installs, and tries again by itself. Pure: the same request, the same bytes. */
export function hook(request: FirstBootRequest, places: HookPlaces = { script: hookScript, work: request.target.work }): FirstBoot {
  const title = `Made by kata-sysext ${request.version} generate for ${request.target.name}.`;
  const values = {
    title,
    unit: hookUnit,
    script: places.script,
    work: places.work,
    stamp: `${stamps}/${identity(request)}`,
    pause: String(pauseSeconds),
  };
  const remote = request.program.url !== undefined;
  const text = fill('hook.sh', {
    ...values,
    fetches: fetches(request, remote).join('\n'),
    arguments: installWords(request).join(' '),
    clean: remote ? 'rm -rf "$work"' : '# The files stay: they are part of the image.',
  });
  const network = remote ? 'Wants=network-online.target\nAfter=network-online.target\n' : '';
  return {
    title,
    files: [{ path: places.script, mode: 0o755, text, note: 'Fetches, verifies, installs.' }],
    units: [{ name: hookUnit, text: fill('hook.service', { ...values, network }), note: 'Runs the script until it has worked once.' }],
    kernelArguments: request.kernelArguments,
  };
}

/** Other bytes or another wish are another installation; another server is not. */
function identity({ program, bundles, installArguments }: FirstBootRequest): string {
  const what = [program.digest, ...bundles.map(({ digest }) => digest), ...installArguments];
  return digestOf(JSON.stringify(what)).slice('sha256:'.length, 'sha256:'.length + 16);
}

function fetches({ program, bundles }: FirstBootRequest, remote: boolean): string[] {
  const lines = [{ ...program, name: 'kata-sysext' }, ...bundles].map(fetchLine);
  if (!remote) return lines;
  return [
    'mkdir -p "$work"',
    ...lines,
    'chmod 0755 "$work/kata-sysext"',
    '# Where SELinux is on, the program needs the label of its place.',
    'if command -v restorecon >/dev/null; then restorecon -RF "$work" || true; fi',
  ];
}

function fetchLine({ name, digest, url }: Source): string {
  return ['fetch', name, digest.slice('sha256:'.length), ...(url === undefined ? [] : [url])].map(shellWord).join(' ');
}

function installWords({ bundles, installArguments }: FirstBootRequest): string[] {
  const digests = bundles.flatMap(({ digest }) => ['--digest', digest]);
  return [...bundles.map(({ name }) => `"$work"/${shellWord(name)}`), ...[...digests, ...installArguments].map(shellWord)];
}
