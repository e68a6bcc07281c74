import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { run } from '../../spec/lab/run.ts';
import { type Arch, archs } from '../single/node.ts';
import { bundledPackages, lockedPackage } from './bundled.ts';
import { type Component, type Contents, nodeComponents, nodeIn, npmUrl, packagesIn } from './contents.ts';
import { debianArchs, debianVersion } from './debianTexts.ts';
import { type Build, provenanceOf } from './provenance.ts';
import { sbomsOf } from './sbom.ts';
import { type Sum, sumsOf } from './sums.ts';

/** What turns the sources into the program. */
const makers = ['node_modules/esbuild', 'node_modules/@esbuild/linux-x64', 'node_modules/postject'];
/** They compile the KVM probe (scripts/helpers.ts). */
const compilers = ['x86_64-linux-gnu-gcc', 'aarch64-linux-gnu-gcc'];

/** What the provenance of every artefact says. Throws where a compiler is missing. */
export async function describedBuild(given: Pick<Build, 'version' | 'source' | 'builder' | 'level'>): Promise<Build> {
  const said: Record<string, string> = {};
  for (const name of compilers) said[name] = (await run([name, '--version'], { env: { LC_ALL: 'C' } })).stdout.split('\n')[0]!;
  const { repository } = JSON.parse(readFileSync('package.json', 'utf8')) as { repository?: string | { url: string } };
  return {
    ...given,
    repository: typeof repository === 'object' ? repository.url : repository,
    compilers: said,
    bundled: await bundledPackages(),
    makers: makers.map(lockedPackage),
  };
}

/** Writes an SBOM in both forms and the provenance beside each of these files. */
export async function describe(folder: string, names: readonly string[], build: Build): Promise<void> {
  const components = await nodeComponents();
  for (const sum of await sumsOf(folder, names)) {
    const contents = contentsOf(sum, build, components);
    const nodes = archs.filter((arch) => archOf(sum.name) === arch);
    const texts = {
      ...sbomsOf(contents, build.version, build.source.seconds),
      [`${sum.name}.intoto.json`]: provenanceOf(sum, build, nodes),
    };
    for (const [name, text] of Object.entries(texts)) await writeFile(join(folder, name), text);
  }
}

/** What is inside a file, by its name. */
function contentsOf({ name, sha256 }: Sum, { version, bundled }: Build, components: readonly Component[]): Contents {
  const arch = archOf(name);
  const has: Contents['parts'][] = [];
  // install.sh has no code of others.
  if (name !== 'install.sh') has.push(packagesIn(name, bundled));
  if (arch !== undefined) has.push(nodeIn(name, arch, components));
  return {
    file: name,
    sha256,
    title: { purl: purlOf(name, version, arch) },
    parts: { packages: has.flatMap(({ packages }) => packages), relationships: has.flatMap(({ relationships }) => relationships) },
  };
}

function purlOf(name: string, version: string, arch: Arch | undefined): string {
  if (name.endsWith('.deb')) return `pkg:deb/kata-sysext@${debianVersion(version)}?arch=${debianArchs[arch!]}`;
  if (name.endsWith('.tgz')) return npmUrl('kata-sysext', version);
  return `pkg:generic/kata-sysext@${version}?file_name=${name}`;
}

/** The architecture that a file is for; undefined for those that run on each. */
function archOf(name: string): Arch | undefined {
  return archs.find((arch) => [`-${arch}`, `-${arch}.zst`, `_${debianArchs[arch]}.deb`].some((ending) => name.endsWith(ending)));
}
