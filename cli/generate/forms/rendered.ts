import { posix } from 'node:path';
import { fill } from '../../assets/index.ts';
import { commandWord } from '../../errors/index.ts';
import { generationsFolder, historyFolder, pointer } from '../../store/index.ts';
import type { Against, Beside, FirstBoot, Merging, RenderedRequest } from '../types.ts';
import { fetchFunction, fetchLine, firstBootFolder, firstBootScript, firstBootUnit, pauseSeconds, stampsOf, triesFile } from './common.ts';

/** A unit that puts an archive in place in which everything is computed already, before the engine starts. Pure, as `hook`. */
export function rendered(request: RenderedRequest, title: string): FirstBoot {
  const { target, archive, places, engineUnit, against, beside, merging } = request;
  const values = {
    title,
    unit: firstBootUnit,
    script: firstBootScript,
    work: target.work,
    ...stampsOf([archive, ...(merging === undefined ? [] : [merging.image])].map(({ digest }) => digest)),
    count: triesFile,
    pause: String(pauseSeconds),
    engine: engineUnit,
  };
  const text = fill('templates/first-boot/rendered.sh', {
    ...values,
    fetch: fetchFunction(),
    like: against === undefined ? '' : likeFunctions(engineUnit, against),
    beside: beside === undefined ? '' : otherWiringFunctions(engineUnit, beside),
    merge: merging === undefined ? '' : mergeFunctions(merging, places[0]!),
    check: [
      ...(against === undefined ? [] : ['like\n']),
      ...(beside === undefined ? [] : ['beside\n']),
      ...(merging === undefined ? [] : ['alone\n']),
    ].join(''),
    fetches: [archive, ...(merging === undefined ? [] : [merging.image])].map(fetchLine).join('\n'),
    room: roomLines(request),
    placed: `${firstBootFolder}/placed`,
    archive: archive.name,
    pointer,
    history: historyFolder,
    generation: `${generationsFolder}/1/manifest.json`,
    image: merging === undefined ? '' : `ln "$work/${merging.image.name}" "$work/.new"${commandWord(merging.link.target)}\n`,
    places: [...placeLines(request), ...moduleLines(request), ...(against?.edits ?? []).map(editLine)].join('\n'),
  });
  return {
    title,
    files: [{ path: firstBootScript, mode: 0o755, text, note: 'Fetches, verifies, copies.' }],
    units: [
      {
        name: firstBootUnit,
        text: fill('templates/first-boot/rendered.service', values),
        note: 'Runs the script until it has worked once.',
      },
    ],
    kernelArguments: request.kernelArguments,
    renews: false,
  };
}

/** What is unpacked is copied then, and an image as well. A try that was broken off has left a part of the copy. */
function roomLines({ unpackedBytes, merging }: RenderedRequest): string {
  const once = unpackedBytes;
  const twice = 2 * unpackedBytes + (merging?.image.sizeBytes ?? 0);
  return `if [ -e "$stamp.begun" ]; then room ${once}; else room ${twice}; fi`;
}

/** The first of the places is the payload: where it has to be merged, that comes before anything leads there. */
function placeLines({ places, merging }: RenderedRequest): string[] {
  const lines = places.map((path) => `place ${commandWord(path)}`);
  return merging === undefined ? lines : ['show', ...lines.slice(1)];
}

/** systemd has been there in this boot already. A module that cannot be loaded is noted in the journal; the node has all the rest. */
function moduleLines({ modules }: RenderedRequest): string[] {
  if (modules === undefined) return [];
  const path = commandWord(modules);
  return [
    `if [ -e ${path} ] || [ -L ${path} ]; then say "${modules} is there already and stays as it is"; else place ${path}; fi`,
    `sed '/^#/d' "$work/.new"${path} | while read -r module; do modprobe -b "$module" || say "the kernel module $module cannot be loaded"; done`,
  ];
}

function mergeFunctions({ payload, release, link, wants, service, least }: Merging, root: string): string {
  const words = {
    link: link.path,
    target: link.target,
    links: posix.dirname(link.path),
    wants: wants.path,
    wanted: wants.target,
    release,
    root,
    temporary: `${firstBootFolder}/link`,
  };
  const quoted = Object.fromEntries(Object.entries(words).map(([name, word]) => [name, commandWord(word)]));
  return fill('templates/first-boot/merge.sh', { ...quoted, payload, service, least: String(least) });
}

function otherWiringFunctions(engine: string, { own, handlers, read }: Beside): string {
  const withoutOwn = own.map((path) => ` | grep -vxF ${commandWord(path)}`).join('');
  const checks = [
    ...own.map((path) => `[ -e "$stamp.begun" ] || [ ! -e ${commandWord(path)} ] || taken ${commandWord(`${path} is there already`)}`),
    ...handlers.flatMap((name) => [
      `found=$(grep -RslE ${commandWord(keyPattern(name))} ${read.map(commandWord).join(' ')}${withoutOwn} | head -n 1) || true`,
      `[ -z "$found" ] || taken "$found names "${commandWord(`the handler ${name} already`)}`,
    ]),
  ];
  return fill('templates/first-boot/beside.sh', { engine, checks: checks.map((line) => `  ${line}`).join('\n') });
}

/** A line of TOML, no comment, with the name as a key: of a table, in a dotted or an inline one. */
function keyPattern(name: string): string {
  return `^([^#]*[[:space:]{,."'[])?${name.replace(/[.]/g, '[.]')}["']?[[:space:]]*[]=.]`;
}

function likeFunctions(engine: string, against: Against): string {
  return fill('templates/first-boot/like.sh', {
    engine,
    usual: against.config,
    variable: against.variable,
    config: commandWord(against.config),
    edited: `${firstBootFolder}/edited`,
    checks: checksOf(against)
      .map((line) => `  ${line}`)
      .join('\n'),
  });
}

/** What was begun may be there already; before, the node's files are as they were when all was computed. */
function checksOf({ title, config, digest, imports, own, version, edits }: Against): string[] {
  const after = edits.find(({ path }) => path === config)?.digest;
  const begun = '[ -e "$stamp.begun" ]';
  const same = [
    `has ${commandWord(config)} ${hex(digest)}`,
    ...(after === undefined ? [] : [`{ ${begun} && has ${commandWord(config)} ${hex(after)}; }`]),
  ];
  const withoutOwn = own.map((path) => ` ! -path ${commandWord(path)}`).join('');
  return [
    `[ ! -L ${commandWord(config)} ] || unlike ${commandWord(`${config} is a link`)}`,
    `${same.join(' || ')} || unlike ${commandWord(`${config} is not the file that this was made for, which has sha256 ${hex(digest)}`)}`,
    ...own.map((path) => `${begun} || [ ! -e ${commandWord(path)} ] || unlike ${commandWord(`${path} is there already`)}`),
    ...imports.flatMap(({ folder, name }) => [
      `found=$(find ${commandWord(folder)} -mindepth 1 -maxdepth 1 -name ${commandWord(name)}${withoutOwn} 2>/dev/null) || true`,
      '[ -z "$found" ] || unlike "it also reads $found, which was not known"',
    ]),
    ...(version === undefined
      ? []
      : [
          "version=$(\"$(printf '%s\\n' \"$started\" | sed -nE 's/.*path=([^ ;]+).*/\\1/p')\" --version | cut -d ' ' -f 3)",
          `case $version in ${version}.* | v${version}.*) ;; *) unlike "${title} here is \${version:-of an unknown version}, not ${version}.x" ;; esac`,
        ]),
  ];
}

function editLine({ path, digest, at, part }: Against['edits'][number]): string {
  return ['edit', path, hex(digest), String(at), part].map(commandWord).join(' ');
}

function hex(digest: string): string {
  return digest.slice('sha256:'.length);
}
