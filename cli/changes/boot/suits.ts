import { backendOf } from '../../backends/index.ts';
import { codeRow, type Finding } from '../../errors/index.ts';
import { readFacts } from '../../facts/index.ts';
import type { HostView } from '../../host/index.ts';
import type { Format } from '../../images/types.ts';
import { type Generation, isIntact, payloadOf, readGenerations } from '../../store/index.ts';

/** Overridable ones that a boot takes seriously all the same: with them nothing can be merged, whoever allowed what. */
const fatal = ['sysext-depth'];

/** What stands aside by itself as long as that is so, and is there again afterwards. */
const passing = ['overlay-foreign'];

/** Why a generation cannot work on the system that boots; undefined when nothing speaks against it. Reads no file's bytes. */
export async function unsuited(host: HostView, { manifest }: Generation): Promise<string | undefined> {
  const payload = await payloadOf(host, manifest);
  if (payload === undefined) return `the payload of generation ${manifest.number} is not known here`;
  if (!(await isIntact(host, payload, 'shape'))) return `files of ${manifest.payloadFolder} are missing or changed`;
  const findings = [
    ...(await backendOf(manifest.backend).fits(host, await readFacts(host))),
    ...(await againstImage(host, manifest.format)),
  ];
  const blocker = findings.find(
    ({ code, level }) => level === 'blocker' && !passing.includes(code) && (!codeRow(code).overridable || fatal.includes(code)),
  );
  return blocker === undefined ? undefined : `${blocker.found} [${blocker.code}]`;
}

/** What a new kernel or a new policy has against the image. Loop devices may come later in the boot. */
async function againstImage(host: HostView, format: Format): Promise<Finding[]> {
  if (format === 'directory') return [];
  const { imageFindings } = await import('../../images/index.ts');
  return (await imageFindings(host, format)).filter(({ code }) => code !== 'image-no-loop');
}

/** The generation to go back to: the one that was active last of those that were blessed and would work here. */
export async function lastBlessed(host: HostView, given: Generation): Promise<Generation | undefined> {
  const candidates = (await readGenerations(host))
    .filter(
      ({ manifest, record }) => manifest.number !== given.manifest.number && record.blessed !== undefined && record.state !== 'failed',
    )
    .sort((a, b) => (b.record.activated ?? '').localeCompare(a.record.activated ?? ''));
  for (const candidate of candidates) if ((await unsuited(host, candidate)) === undefined) return candidate;
  return undefined;
}
