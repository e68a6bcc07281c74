import { type Finding, KataError } from '../errors/index.ts';
import { selinuxState } from '../facts/index.ts';
import type { HostView } from '../host/index.ts';
import { type Generation, type GenerationManifest, payloadOf } from '../store/index.ts';
import { type LabelledPlace, type LabelRules, type WrongLabel, wrongLabel } from './judge.ts';
import { generationPlaces, hostPlaces } from './places.ts';

export interface LabelSurvey {
  /** Files whose label was compared: 0 without SELinux. */
  checked: number;
  wrong: WrongLabel[];
  /** Why nothing was compared on a host with SELinux. */
  unasked?: Finding;
}

const nothing: LabelSurvey = { checked: 0, wrong: [] };

/** The labels of everything that kata-sysext has on the host for its active generation. */
export async function surveyLabels(host: HostView, generation: Generation): Promise<LabelSurvey> {
  if (!(await isLabelled(host))) return nothing;
  const payload = await payloadOf(host, generation.manifest);
  const started = payload === undefined ? [] : generationPlaces(generation.manifest, payload);
  return compare(host, [...started, ...(await hostPlaces(host, generation))]);
}

/** Only of what pods are started from: for a generation that need not be active yet. */
export async function surveyGeneration(host: HostView, manifest: GenerationManifest): Promise<LabelSurvey> {
  if (!(await isLabelled(host))) return nothing;
  const payload = await payloadOf(host, manifest);
  return payload === undefined ? nothing : compare(host, generationPlaces(manifest, payload));
}

async function isLabelled(host: HostView): Promise<boolean> {
  const state = await selinuxState(host);
  return !host.image && state.known && state.value.mode !== 'disabled';
}

async function compare(host: HostView, all: LabelledPlace[]): Promise<LabelSurvey> {
  // A path that two parts name has the first part's use, and one that any part calls another program's is that.
  const foreign = new Set(all.filter((place) => place.foreign).map(({ path }) => path));
  const places = new Map<string, LabelledPlace>();
  for (const place of all) if (!places.has(place.path)) places.set(place.path, place);
  try {
    const labels = await host.labelsOf([...places.keys()]);
    if (labels === undefined) return nothing;
    const rules = await rulesOf(host);
    const wrong = [...labels].flatMap(([path, label]) => {
      const place = foreign.has(path) ? { ...places.get(path)!, foreign: true as const } : places.get(path)!;
      return wrongLabel(place, label, rules) ?? [];
    });
    return { checked: labels.size, wrong };
  } catch (error) {
    if (!(error instanceof KataError) || error.code !== 'host-program-missing') throw error;
    const { subject = '', found, needed, next } = error.complaint;
    const why = `SELinux labels were not compared: ${found}`;
    return { ...nothing, unasked: { code: 'host-program-missing', level: 'warning', subject, found: why, needed, next } };
  }
}

async function rulesOf(host: HostView): Promise<LabelRules> {
  const [{ fallbackLabel, familyOfPolicy }, state] = await Promise.all([import('../layout/index.ts'), selinuxState(host)]);
  const family = familyOfPolicy(state.known ? (state.value.policy ?? '') : '');
  return { family, fallbackType: (fileClass) => fallbackLabel(family, fileClass) };
}

/** A label that keeps a file from being used is a blocker; one that gives the same access is a warning, and so is one of another program's file. */
export function labelFinding(wrong: WrongLabel, { format, number }: Pick<GenerationManifest, 'format' | 'number'>): Finding {
  const { place, found, needed, stock, sameAccess } = wrong;
  const rule = stock !== undefined && stock !== needed ? `; the host’s own rule, ${stock}, keeps a virtual machine out` : '';
  const same = sameAccess ? '; access is the same until the next relabel' : '';
  return {
    code: 'label-differs',
    level: sameAccess || place.foreign ? 'warning' : 'blocker',
    subject: place.path,
    found: `${place.path}: ${found === undefined ? 'no SELinux label' : `the SELinux label ${found}`}, not ${needed}${rule}${same}`,
    needed: `the label ${needed}`,
    next: nextOf(wrong, format !== 'directory', number),
  };
}

function nextOf({ place }: WrongLabel, isImage: boolean, generation: number): string {
  if (place.foreign) return `restorecon -Fv ${place.path}`;
  if (!place.shown) return 'kata-sysext verify --repair';
  if (isImage)
    return `make the image on a host with this policy: kata-sysext build --help; what generation ${generation} has cannot be labelled`;
  return 'install the same bundle again: kata-sysext install BUNDLE';
}
