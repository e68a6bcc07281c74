import { type CodeRow, row } from './row.ts';

export const imagesCodes: Record<string, CodeRow> = {
  'image-kernel': row(
    3,
    'The kernel of this host does not mount images of this format: it lacks the file system, its compression, or loop devices.',
  ),
  'image-blacklisted': row(
    3,
    'modprobe.d or the kernel’s command line keeps the image’s file system from being loaded: at the next boot systemd could not mount the image, and then merges no extension at all.',
  ),
  'image-no-loop': row(3, 'The host has no loop devices, by which systemd mounts images.'),
  'image-policy': row(3, 'systemd is configured to take only signed images, and this version does not sign them.'),
  'image-systemd-old': row(
    3,
    'An image that was made elsewhere fits systemd 252 and later: earlier ones want the very OS version named in it.',
  ),
  'image-tool-missing': row(
    3,
    'The program that makes images of this format is not there. An image that was made on another machine needs none.',
  ),
  'image-tool-old': row(3, 'The program that makes images is too old to be told labels, and the files themselves cannot be labelled here.'),
  'image-damaged': row(
    4,
    'The image is not as it was made: it was cut off or changed, or its file system has other things in it than its manifest lists.',
  ),
  'image-unknown': row(4, 'The file is no image that kata-sysext made, or its end was cut off.'),
  'image-newer': row(4, 'The image was made by a newer kata-sysext.'),
  'overlay-foreign': row(
    3,
    'Extensions of others are merged into /usr or lie ready for it, or something is mounted over the overlay of kata-sysext: neither may hide or lose the other.',
  ),
  'overlay-nested-mounts': row(3, 'Something is mounted below /usr: an overlay over /usr would hide it.'),
  'overlay-depth': row(
    3,
    'The kernel stacks two overlays at most. kata-sysext must leave one for extensions of others, and a composefs root is one already.',
  ),
  'overlay-inside-usr': row(3, 'The payload would lie below /usr itself, which an overlay cannot also have as a layer.'),
  'overlay-unit-taken': row(
    3,
    'The unit that would mount the overlay at boot is masked, or a unit of that name was made by another program or user.',
  ),
  'overlay-missing': row(3, 'The host lacks a program that mounts the overlay at boot: sh, grep, mount, umount, mountpoint.'),
  'overlay-usr-read-only': row(3, 'A warning: /usr can be written now, and is read-only as long as the overlay is mounted.'),
};
