import type { Verb } from '../types.ts';

/** Verbs about images that are made off the host. */
export const imaging: Verb[] = [
  {
    name: 'build',
    words: 'BUNDLE...',
    fewest: 1,
    most: 16,
    summary: 'make an image of a release, on any machine and without root; install FILE --backend sysext installs it',
    changing: false,
    options: {
      output: { type: 'string', alias: 'o', describe: 'the file to make (always needed); it must not be there yet', placeholder: 'FILE' },
      handler: { type: 'list', describe: 'put in this handler (default: the default one of the release)', placeholder: 'N' },
      format: { type: 'string', describe: 'squashfs is smaller, erofs faster', choices: ['squashfs', 'erofs'], default: 'squashfs' },
      digest: { type: 'list', describe: 'refuse a bundle with another digest; once for each BUNDLE, in order', placeholder: 'sha256:HEX' },
      architecture: {
        type: 'string',
        describe: 'of the hosts that it is for (default: this machine’s)',
        choices: ['x86_64', 'aarch64', 'ppc64le', 's390x'],
      },
    },
    examples: [
      {
        command: 'kata-sysext build kata-static-4.1.0-amd64.tar.zst -o kata-4.1.0.raw',
        does: 'make an image with the default handler; it prints its digest',
      },
      {
        command: 'SOURCE_DATE_EPOCH=1767225600 kata-sysext build kata-static.tar.zst --format erofs -o kata.raw',
        does: 'give everything in it this time; without it the time is 1970',
      },
    ],
    load: () => import('../verbs/build.ts'),
  },
  {
    name: 'inspect',
    words: 'FILE',
    fewest: 1,
    most: 1,
    summary: 'say what an image is and whether it is whole; nothing is mounted',
    changing: false,
    options: { verbose: { type: 'boolean', alias: 'v', describe: 'also every path with its mode, label and digest' } },
    examples: [{ command: 'kata-sysext inspect kata-4.1.0.raw', does: 'its digest, release, handlers and what it was made of' }],
    load: () => import('../verbs/inspect.ts'),
  },
];
