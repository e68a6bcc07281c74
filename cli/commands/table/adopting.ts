import type { Verb } from '../types.ts';
import { backend, format, profile, set } from './options.ts';

/** Verbs that take over what others installed. */
export const adopting: Verb[] = [
  {
    name: 'adopt',
    words: 'rendered|layered [BUNDLE...]',
    fewest: 1,
    most: 17,
    summary: 'take over what Ignition or a MachineConfig brought (rendered), or replace a layered kata-containers (layered)',
    changing: true,
    options: {
      handler: {
        type: 'list',
        describe: 'layered: install exactly the handlers named so (default: the default of the release)',
        placeholder: 'N',
      },
      alias: {
        type: 'list',
        describe: 'layered: lead a name of the package to this handler (default: all of them to the first one)',
        placeholder: 'NAME=N',
      },
      digest: { type: 'list', describe: 'refuse a bundle with another digest; once for each BUNDLE, in order', placeholder: 'sha256:HEX' },
      backend,
      format,
      set,
      profile,
      yes: { type: 'boolean', describe: 'layered: also let rpm-ostree stage the removal of the package; it never reboots' },
    },
    examples: [
      { command: 'kata-sysext adopt rendered', does: 'prove what the first boot brought, note whose it is, and take its unit out of use' },
      {
        command: 'kata-sysext adopt layered kata-static-4.1.0-amd64.tar.zst --dry-run',
        does: 'show how the layered package would give way, name by name',
      },
      {
        command: 'kata-sysext adopt layered kata-static-4.1.0-amd64.tar.zst --yes',
        does: 'take its place under the name kata, and stage its removal for the next boot',
      },
    ],
    load: () => import('../verbs/adopt.ts'),
  },
];
