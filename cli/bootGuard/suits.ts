import { backendOf } from '../backends/index.ts';
import { codeRow, type Finding } from '../errors/index.ts';
import { readFacts } from '../facts/index.ts';
import type { HostView } from '../host/index.ts';
import type { Format } from '../images/types.ts';
import { isHarmful } from '../preflight/harmful.ts';
import { earlierGenerations, type Generation, isIntact, payloadOf, readGenerations } from '../store/index.ts';

/** With these the files below /usr are absent as long as the reason holds, and are there again afterwards. */
const aside = ['overlay-foreign', 'overlay-nested-mounts', 'overlay-unit-taken', 'sysext-service-masked'];
/** The last two concern only the moment of a change. */
const passing = [...aside, 'backend-read-only', 'sysext-foreign-restart'];

/** Why nothing of a generation is below /usr in this boot, through no fault of its own: it has no way to prove itself. */
export async function whyAbsent(host: HostView, { manifest }: Generation): Promise<string | undefined> {
  const findings = await backendOf(manifest.backend).preflight(host, await readFacts(host));
  return findings.find(({ code }) => aside.includes(code))?.found;
}

/** Why a generation cannot work on the system that boots; undefined when it can. Reads no file's bytes. */
export async function unsuited(host: HostView, { manifest, record }: Generation): Promise<string | undefined> {
  if (record.state === 'preparing') return `generation ${manifest.number} was never finished: the change that made it was interrupted`;
  const payload = await payloadOf(host, manifest);
  if (payload === undefined) return `the payload of generation ${manifest.number} is not known here`;
  if (!(await isIntact(host, payload, 'shape'))) return `files of ${manifest.payloadFolder} are missing or changed`;
  const findings = [
    ...(await backendOf(manifest.backend).preflight(host, await readFacts(host))),
    ...(await againstImage(host, manifest.format)),
  ];
  const counts = (code: string) => !codeRow(code).overridable || (isHarmful(code) && record.allowed?.includes(code) !== true);
  const blocker = findings.find(({ code, level }) => level === 'blocker' && !passing.includes(code) && counts(code));
  return blocker === undefined ? undefined : `${blocker.found} [${blocker.code}]`;
}

/** Why a new kernel or a new policy refuses the image. Loop devices may come later in the boot. */
async function againstImage(host: HostView, format: Format): Promise<Finding[]> {
  if (format === 'directory') return [];
  const { imageFindings } = await import('../images/index.ts');
  return (await imageFindings(host, format)).filter(({ code }) => code !== 'image-no-loop');
}

/**
 * The generation to go back to: the one that was active last of those that were blessed and would work here; no clock is asked for it.
 * `shown`: what PID 1 has below /usr stays as it is in this boot, so that one whose files appear there is none unless they are those.
 */
export async function lastBlessed(host: HostView, given: Generation, shown: boolean): Promise<Generation | undefined> {
  const all = await readGenerations(host);
  const order = earlierGenerations(all, given).map(({ manifest }) => manifest.number);
  const place = ({ manifest: { number } }: Generation) => (order.includes(number) ? order.indexOf(number) : order.length);
  const candidates = all
    .filter(
      ({ manifest, record }) => manifest.number !== given.manifest.number && record.blessed !== undefined && record.state !== 'failed',
    )
    .sort((a, b) => place(a) - place(b) || b.manifest.number - a.manifest.number);
  for (const candidate of candidates) {
    if ((await unsuited(host, candidate)) === undefined && (!shown || (await isShown(host, candidate)))) return candidate;
  }
  return undefined;
}

async function isShown(host: HostView, { manifest }: Generation): Promise<boolean> {
  const backend = backendOf(manifest.backend);
  return !backend.mountPoint().startsWith('/usr/') || (await backend.verifyVisible(host, manifest, [1])).length === 0;
}
