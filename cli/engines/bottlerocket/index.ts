import { explainRendered, refusedHost } from '../common/renderer.ts';

/** Its settings have no handlers. */
export const bottlerocket = refusedHost(
  { name: 'bottlerocket', title: 'Bottlerocket' },
  { ids: ['bottlerocket'], files: [] },
  {
    found:
      'Bottlerocket makes /etc in memory at each boot and writes the configuration of containerd there from its settings, which have no handlers',
    needed: 'a variant of Bottlerocket that has Kata in its image, or another operating system: no setting adds a handler',
    next: `${explainRendered}; apiclient get settings.container-runtime`,
    docs: {
      does: 'makes `/etc` in memory at each boot, with a configuration from its settings',
      recognised: '`ID=bottlerocket` in os-release',
      works: 'nothing on a running host; a variant of your own',
    },
  },
);
