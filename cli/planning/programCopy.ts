import { backendOf, isOfImage } from '../backends/index.ts';
import type { Finding } from '../errors/index.ts';
import { ownArchitecture, readFacts } from '../facts/index.ts';
import { byBytes, type HostPath, type HostView } from '../host/index.ts';
import { type GenerationManifest, programPath, readPrograms } from '../store/index.ts';

/** The program that runs, and the host that it looks at. */
export interface OwnProgram {
  host: HostView;
  program: string;
  /** Real path of the program where it is one file that needs nothing else: then a copy of it is kept on the host. */
  programFile?: string | undefined;
}

/**
 * The copy that guards the boots after this change: the newest on the host. None that is older than the program that runs: it might not
 * know all that the journal of this change speaks of. undefined where there is no such copy.
 */
export async function guardOf(context: OwnProgram, { backend }: Pick<GenerationManifest, 'backend'>): Promise<HostPath | undefined> {
  const { host, program } = context;
  const own = await keepable(context, backend);
  const others = (await readPrograms(host)).filter(({ version }) => own === undefined || version !== program);
  const all = [...(own === undefined ? [] : [{ root: own.root, version: program }]), ...others];
  const [newest] = all.sort((a, b) => compareVersions(b.version, a.version));
  return newest === undefined || compareVersions(newest.version, program) < 0 ? undefined : programPath(newest.root, newest.version);
}

/** That an OS image gets no guard: nothing brings it later. */
export function guardFindings(
  { program, programFile }: Omit<OwnProgram, 'host'>,
  { backend }: Pick<GenerationManifest, 'backend'>,
  guard?: HostPath,
): Finding[] {
  if (!isOfImage(backend) || guard !== undefined) return [];
  return [
    {
      code: 'baked-no-guard',
      level: 'warning',
      subject: 'boot guard',
      found: 'the image gets no copy of this program and no boot guard, so that no boot will prove what it carries',
      needed: `the single file of kata-sysext ${program}${programFile === undefined ? '' : ' for the architecture of the image'}`,
      next: 'make it with npm run single, and install with that file',
    },
  ];
}

/** As semver.org has it, but for the order of two pre-releases of one version, which is that of their numbers and bytes. */
function compareVersions(a: string, b: string): number {
  const [[coreA, preA], [coreB, preB]] = [a, b].map((version) => version.split('+')[0]!.split(/-(.*)/s)) as [string[], string[]];
  const core = compareParts(coreA!, coreB!);
  if (core !== 0 || preA === preB) return core;
  if (preA === undefined || preB === undefined) return preA === undefined ? 1 : -1;
  return compareParts(preA, preB);
}

function compareParts(a: string, b: string): number {
  const parts = (text: string): string[] => text.match(/\d+|\D+/g) ?? [];
  const [as, bs] = [parts(a), parts(b)];
  for (let index = 0; index < Math.max(as.length, bs.length); index++) {
    const [one, other] = [as[index] ?? '', bs[index] ?? ''];
    const difference = Number(one) - Number(other);
    if (one !== other) return Number.isNaN(difference) ? byBytes(one, other) : difference;
  }
  return 0;
}

/** What `installProgramCopy` would copy, and the payload root that it goes to; undefined where it copies nothing. */
export async function keepable({ host, programFile }: OwnProgram, backend: string): Promise<{ root: HostPath; file: string } | undefined> {
  if (programFile === undefined) return undefined;
  const facts = await readFacts(host);
  if (!facts.architecture.known || facts.architecture.value !== ownArchitecture()) return undefined;
  return { root: backendOf(backend).root(facts), file: programFile };
}
