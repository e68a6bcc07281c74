import { KataError } from '../errors/index.ts';
import type { HostView } from '../host/index.ts';
import { labelFinding, surveyGeneration } from '../labels/index.ts';
import type { GenerationManifest } from '../store/index.ts';

const maxNamed = 3;

/** Reads back the SELinux labels of what pods of a generation are started from. Throws `gate-failed` where one keeps an engine or a virtual machine out. */
export async function labelsInPlace(host: HostView, to: GenerationManifest): Promise<void> {
  const { wrong } = await surveyGeneration(host, to);
  const bad = wrong.map((each) => labelFinding(each, to)).filter(({ level }) => level === 'blocker');
  if (bad.length === 0) return;
  const more = bad.length > maxNamed ? `; and ${bad.length - maxNamed} more` : '';
  throw new KataError('gate-failed', {
    subject: bad[0]!.subject,
    found: `SELinux labels with which no pod would start (${bad.length}): ${bad
      .slice(0, maxNamed)
      .map(({ found }) => found)
      .join('; ')}${more}`,
    needed: 'the labels that were written',
    next: 'find out what relabels these files, then run the command again: semanage fcontext -l -C; ausearch -m avc',
    details: { labels: bad.map(({ found }) => found) },
  });
}
