import { posix } from 'node:path';
import type { Finding } from '../errors/index.ts';
import { type Host, type HostPath, undisturbed } from '../host/index.ts';
import { canRepair, type LabelSurvey, surveyGeneration, type WrongLabel } from '../labels/index.ts';
import { type GenerationManifest, needType } from '../store/index.ts';

/**
 * Gives files the labels that they need, and returns the paths of those files. Files of other programs keep their labels. So do files that a
 * merge shows: they are labelled where they are stored. Files on a read-only file system, such as an OS image, stay a finding of `verify`.
 * Needs no journal: the next call does what an interrupted one has left. Throws `host-selinux-type`.
 */
export async function repairLabels(host: Host, survey: LabelSurvey): Promise<HostPath[]> {
  const wrong: WrongLabel[] = [];
  for (const each of survey.wrong) if (canRepair(each) && (await host.canWrite(posix.dirname(each.place.path)))) wrong.push(each);
  const labels = new Map(wrong.map(({ place, needed }) => [place.path, needed]));
  if (labels.size === 0) return [];
  const written = wrong.filter(({ needed, stock }) => needed !== stock).map(({ needed }) => needed.split(':')[2]!);
  for (const type of new Set(written)) await needType(host, type);
  await host.failpoint('labels/mend/before');
  // In one go: a signal in the middle would leave a mix.
  await undisturbed(host, () => host.setLabels(labels));
  await host.failpoint('labels/mend/after');
  return [...labels.keys()];
}

/** Before a generation becomes active: what its pods start from has lain in the store, maybe for long. Gives why labels could not be compared. */
export async function repairGeneration(host: Host, to: GenerationManifest): Promise<Finding[]> {
  const survey = await surveyGeneration(host, to);
  await repairLabels(host, survey);
  return survey.unasked === undefined ? [] : [survey.unasked];
}

/** What a receipt says of labels that were put back. */
export function repairedFindings(paths: HostPath[]): Finding[] {
  if (paths.length === 0) return [];
  const more = paths.length > 3 ? ` and ${paths.length - 3} more` : '';
  return [
    {
      code: 'label-differs',
      level: 'info',
      subject: paths[0]!,
      found: `put the SELinux label${paths.length === 1 ? '' : 's'} of ${filesText(paths.length)} back: ${paths.slice(0, 3).join(', ')}${more}`,
      needed: 'the labels that the files need',
      next: 'find out what changed them: ausearch -m avc; semanage fcontext -l -C',
    },
  ];
}

export function filesText(count: number): string {
  return count === 1 ? '1 file' : `${count} files`;
}
