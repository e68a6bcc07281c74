import { fill } from '../../assets/index.ts';
import { commandWord } from '../../errors/index.ts';
import { licencePlace, sbomPlace } from '../../sbom/places.ts';
import { extensionName } from '../../store/paths.ts';
import { firstBootUnit, hook } from '../forms/index.ts';
import { titleOf } from '../owner.ts';
import { type BakedRequest, filesOf, type Generated, type HookRequest, type Source } from '../types.ts';

const folder = '/usr/libexec/kata-sysext-first-boot';

const [file, script, unit] = ['Containerfile', 'hook.sh', firstBootUnit];

/** What is written beside program and bundles: none of those may be called so. */
export const containerfileNames = [file, script, unit];

/** Where program and release are seen while an image is built. */
const work = '/run/kata-sysext-build';

/**
 * A Containerfile and what it copies: the hook with program and release inside the image. Everything is below /usr, where an image may carry
 * it and where an update of the image replaces it; what an image put below /var would reach no node that is there already.
 */
export function containerfile(request: HookRequest): Generated[] {
  const inside = (source: Source) => ({ name: source.name, digest: source.digest });
  const components = request.components?.map(({ word, source }) => ({ word, source: inside(source) }));
  const own = { ...request, program: inside(request.program), bundles: request.bundles.map(inside), components };
  const copied = [...request.bundles, ...filesOf(components)];
  const { title, files, units } = hook(own, titleOf(own, undefined), { script: `${folder}/${script}`, work: folder });
  const text = fill('templates/first-boot/Containerfile', {
    title,
    folder,
    unit,
    program: request.program.name,
    files: [request.program, ...copied].map(({ name }) => `#   ${name}`).join('\n'),
    bundles: copied.map(({ name }) => `COPY ${JSON.stringify([name, `${folder}/`])}`).join('\n'),
    archives: request.bundles.map(({ name }) => commandWord(`${folder}/${name}`)).join(' '),
    // Those of the image below, where that had Kata as well.
    notices: [sbomPlace(extensionName), licencePlace(extensionName)].map((path) => `/${path}`).join(' '),
  });
  return [
    { name: file, text },
    { name: script, text: files[0]!.text },
    { name: unit, text: units[0]!.text },
  ];
}

/** A Containerfile that installs while the image is built: nothing is left to do on the node but to prove it. Pure. */
export function bakedContainerfile(request: BakedRequest): Generated[] {
  const { program, bundles, components = [], installArguments } = request;
  const copied = [...bundles, ...filesOf(components)];
  const own = components.flatMap(({ word, source }) => ['--component', `${word}=${work}/${source.name}`]);
  const given = bundles.flatMap(({ digest }) => ['--digest', digest]);
  const sources = bundles.map(({ name }) => `${work}/${name}`);
  const text = fill('templates/first-boot/Baked.Containerfile', {
    title: titleOf(request, undefined),
    files: [program, ...copied].map(({ name }) => `#   ${name}`).join('\n'),
    program: program.name,
    digest: program.digest.slice('sha256:'.length),
    bundles: copied.map(({ name }) => `COPY ${JSON.stringify([name, '/'])}`).join('\n'),
    work,
    arguments: [...sources, '--root', '/', '--backend', 'baked', ...given, ...own, ...installArguments].map(commandWord).join(' '),
  });
  return [{ name: file, text }];
}
