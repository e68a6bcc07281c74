import { isOverlayUnit, type OwnUnitState, overlayUnit, ownUnitState } from '../backends/index.ts';
import { guardUnits, isGuardText, presetFile } from '../bootGuard/units/index.ts';
import { type Finding, pathWord } from '../errors/index.ts';
import type { Digest, HostPath, HostView } from '../host/index.ts';
import { writtenDigests } from '../store/index.ts';
import type { FileStep, Step } from '../transaction/index.ts';

interface OwnUnit {
  path: HostPath;
  state: OwnUnitState;
  /** What the change does to it last. */
  step: FileStep | undefined;
}

/** Unit files that are kata-sysext's as a whole, as a change leaves them. */
export interface OwnUnits {
  /** For the record: what differs later was edited since. */
  edited: Record<HostPath, Digest>;
  findings: Finding[];
}

export async function planOwnUnits(host: HostView, steps: readonly Step[], coming: boolean): Promise<OwnUnits> {
  const units = await ownUnits(host, steps);
  const edited: OwnUnits['edited'] = {};
  const findings: Finding[] = [];
  for (const { path, state, step } of units) {
    const digest = step?.after ?? (state === 'own' ? await host.digest(path) : undefined);
    if (coming && digest !== undefined && digest !== 'absent') edited[path] = digest;
    if (state === 'edited' && step !== undefined) findings.push(replaced(host, path));
    else if ((state === 'edited' || state === 'foreign') && !coming && (await writtenDigests(host, path)).size > 0)
      findings.push(await staying(host, path));
  }
  return { edited, findings };
}

async function ownUnits(host: HostView, steps: readonly Step[]): Promise<OwnUnit[]> {
  const guard = [...guardUnits(host).map(({ path }) => path), presetFile].map((path) => ({ path, isOwn: isGuardText }));
  const rows = [...guard, { path: overlayUnit, isOwn: isOverlayUnit }];
  return Promise.all(
    rows.map(async ({ path, isOwn }) => ({
      path,
      state: await ownUnitState(host, path, isOwn),
      step: steps.findLast((step): step is FileStep => step.kind === 'file' && step.path === path),
    })),
  );
}

function replaced(host: HostView, path: HostPath): Finding {
  const dropIn = host.booted ? `systemctl edit ${path.slice(path.lastIndexOf('/') + 1)}` : pathWord(host, `${path}.d/override.conf`);
  return {
    code: 'foreign-edit',
    level: 'warning',
    subject: path,
    found: `another program or user edited ${path} after kata-sysext wrote it; the change writes the unit of this version`,
    needed: 'settings of your own in a drop-in, which every version leaves as it is',
    next: `before the change look at the edit: cat ${pathWord(host, path)}; write what is still wanted into a drop-in: ${dropIn}`,
  };
}

async function staying(host: HostView, path: HostPath): Promise<Finding> {
  const target = await host.readlink(path);
  return {
    code: 'foreign-edit',
    level: 'warning',
    subject: path,
    found: `another program or user ${target === undefined ? 'edited' : `made a link to ${target} of`} ${path} after kata-sysext wrote it; it stays`,
    needed: 'the text that kata-sysext wrote, to remove it',
    next: `remove it if nothing needs it: rm ${pathWord(host, path)}`,
  };
}
