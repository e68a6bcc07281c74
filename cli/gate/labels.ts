import { KataError } from '../errors/index.ts';
import { selinuxState } from '../facts/index.ts';
import type { HostView } from '../host/index.ts';
import { labelFinding, surveyGeneration } from '../labels/index.ts';
import type { Emit } from '../output/events.ts';
import type { GenerationManifest } from '../store/index.ts';

const maxNamed = 3;

/**
 * Reads back the SELinux labels of what pods of a generation are started from. Throws `gate-failed` where one keeps an engine or a virtual
 * machine out; where SELinux only logs, pods start all the same, and it is said.
 */
export async function labelsInPlace(host: HostView, to: GenerationManifest, emit: Emit): Promise<void> {
  const { wrong } = await surveyGeneration(host, to);
  const bad = wrong.map((each) => labelFinding(each, to)).filter(({ level }) => level === 'blocker');
  if (bad.length === 0) return;
  const more = bad.length > maxNamed ? `; and ${bad.length - maxNamed} more` : '';
  const state = await selinuxState(host);
  if (state.known && state.value.mode === 'permissive') {
    const text = `SELinux is permissive; where it enforces, no pod would start with these labels (${bad.length}): ${bad[0]!.found}`;
    return emit({ kind: 'warning', text });
  }
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
