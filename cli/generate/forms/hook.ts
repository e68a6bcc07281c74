import { fill } from '../../assets/index.ts';
import { engineUnits } from '../../engines/index.ts';
import { commandWord } from '../../errors/index.ts';
import { type FirstBoot, filesOf, type HookRequest, isCompressed } from '../types.ts';
import { fetchFunction, fetchLine, firstBootScript, firstBootUnit, pauseSeconds, stampsOf, triesFile } from './common.ts';

/** Where a hook finds its parts: below /etc for a configuration that is written to a node, below /usr in an image. */
export interface HookPlaces {
  script: string;
  work: string;
}

/** A unit that fetches program and release, verifies both and installs, and tries again by itself. Pure: the same request, the same bytes. */
export function hook(
  request: HookRequest,
  title: string,
  places: HookPlaces = { script: firstBootScript, work: request.target.work },
): FirstBoot {
  const { program, bundles, components = [], installArguments } = request;
  const values = {
    title,
    unit: firstBootUnit,
    script: places.script,
    work: places.work,
    ...stampsOf([
      program.digest,
      ...bundles.map(({ digest }) => digest),
      ...components.flatMap(({ word, source }) => [word, source.digest]),
      ...installArguments,
    ]),
    count: triesFile,
    pause: String(pauseSeconds),
    engines: engineUnits(),
  };
  const remote = program.url !== undefined;
  const text = fill('templates/first-boot/hook.sh', {
    ...values,
    fetch: fetchFunction(),
    fetches: fetches(request, remote).join('\n'),
    arguments: installWords(request).join(' '),
    clean: remote ? 'rm -rf "$work"' : '# The files stay: they are part of the image.',
  });
  return {
    title,
    files: [{ path: places.script, mode: 0o755, text, note: 'Fetches, verifies, installs.' }],
    units: [
      { name: firstBootUnit, text: fill('templates/first-boot/hook.service', values), note: 'Runs the script until it has worked once.' },
    ],
    kernelArguments: request.kernelArguments,
    renews: true,
  };
}

/** How a compressed program is called on the node. */
const packedProgram = 'kata-sysext.zst';

/** After its digest was right: zstd gets no byte of another file. */
const unpacking = [
  `command -v zstd >/dev/null || later "zstd is not on this node, and ${packedProgram} is compressed with it; the node runs without Kata" 69`,
  `zstd -d -q -f -o "$work/kata-sysext" "$work/${packedProgram}" ||`,
  `  later "$work/${packedProgram} could not be unpacked; the node runs without Kata" 69`,
];

function fetches({ program, bundles, components }: HookRequest, remote: boolean): string[] {
  const packed = isCompressed(program);
  const lines = [{ ...program, name: packed ? packedProgram : 'kata-sysext' }, ...bundles, ...filesOf(components)].map(fetchLine);
  if (!remote) return lines;
  return [
    'mkdir -p "$work"',
    ...lines,
    ...(packed ? unpacking : []),
    'chmod 0755 "$work/kata-sysext"',
    '# Where SELinux is on, the program needs the label of its place.',
    'if command -v restorecon >/dev/null; then restorecon -RF "$work" || true; fi',
  ];
}

function installWords({ bundles, components = [], installArguments }: HookRequest): string[] {
  const digests = bundles.flatMap(({ digest }) => ['--digest', digest]);
  const own = components.flatMap(({ word, source }) => ['--component', `${commandWord(`${word}=`)}"$work"/${commandWord(source.name)}`]);
  return [
    ...bundles.map(({ name }) => `"$work"/${commandWord(name)}`),
    ...digests.map(commandWord),
    ...own,
    ...installArguments.map(commandWord),
  ];
}
