import type { HostPath, HostView } from '../../host/index.ts';

const unitsFolder: HostPath = '/etc/systemd/system';
/** Of an OS image: an update brings its own ones then, whatever became of those in /etc, and no preset speaks of links here. */
const imageUnitsFolder: HostPath = '/usr/lib/systemd/system';

/** The phases of a boot, in their order. */
export const phases = ['recover', 'rewire', 'confirm'] as const;
export type Phase = (typeof phases)[number];

const rows = [
  { unit: 'kata-sysext-recover.service', wantedBy: 'sysinit.target' },
  { unit: 'kata-sysext-rewire.service', wantedBy: 'multi-user.target' },
  { unit: 'kata-sysext-confirm.service', wantedBy: 'multi-user.target' },
];

/** The unit of the first phase. */
export const firstUnit = rows[0]!.unit;

/** kata-sysext's units by their name, with what wants them, where a change of a host, or of the tree of an image, puts them. */
export function guardUnits({ image }: Pick<HostView, 'image'>) {
  return unitsIn(image ? imageUnitsFolder : unitsFolder);
}

/** The same below /usr, where the image that is booted has them. */
export function imageUnits() {
  return unitsIn(imageUnitsFolder);
}

function unitsIn(folder: HostPath) {
  return rows.map(({ unit, wantedBy }) => ({
    unit,
    path: `${folder}/${unit}`,
    wants: `${folder}/${wantedBy}.wants`,
    link: `${folder}/${wantedBy}.wants/${unit}`,
    target: `../${unit}`,
    // systemd takes no file of such a name for a unit.
    temporary: `${folder}/.new-${unit}.tmp`,
  }));
}

/**
 * Only for trees that do not run: at a first boot systemd may apply the vendor's presets to every unit, and some of them disable all that
 * they do not name.
 */
export const presetFolder: HostPath = '/etc/systemd/system-preset';
export const presetFile: HostPath = `${presetFolder}/50-kata-sysext.preset`;
export const presetTemporary: HostPath = `${unitsFolder}/.new-preset.tmp`;
export const presetText = '# kata-sysext: its own units stay as they were installed\nenable kata-sysext-*.service\n';

/**
 * Drop-ins of the first two phases: with them there, systemd skips the guard as long as nothing is pending and the system is the one that was
 * blessed. The second has its own, because the first cannot look where /var comes late. The first one's counts.
 */
export const blessings = [rows[0]!, rows[1]!].map(({ unit }) => ({
  folder: `${unitsFolder}/${unit}.d`,
  file: `${unitsFolder}/${unit}.d/50-blessed.conf`,
  temporary: `${unitsFolder}/.new-blessed-${unit}.tmp`,
}));
export const blessedFile: HostPath = blessings[0]!.file;

/** Made by the first phase: the later ones run only where it ran. */
export const bootFolder: HostPath = '/run/kata-sysext';
/** Copies for the engine's own binary, where /var may be full. Not below the folder above: a confined engine may not search what a service of PID 1 made. */
export const bootScratch: HostPath = '/run/kata-sysext-scratch';
export const bootMark: HostPath = `${bootFolder}/boot`;
