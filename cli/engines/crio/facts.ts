import type { EngineFacts } from '../contract.ts';
import { usualConfig, usualFolder } from './daemon.ts';

/** What is known of CRI-O without a host. Images and credentials are those of containers/storage and containers/image. */
export const facts: EngineFacts = {
  name: 'crio',
  title: 'CRI-O',
  units: ['crio.service'],
  programs: ['crio'],
  storage: ['/var/lib/containers'],
  report: {
    configuration: ['/etc/crio'],
    tables: /^(?:crio|runtime|runtimes|runc|crun|api|image|network)$/,
    keys: /^(?:root|default_runtime|runtime_type|runtime_path|runtime_root|runtime_config_path|privileged_without_host_devices|cgroup_manager|conmon|drop_infra_ctr|allowed_annotations|type)$/,
    credentials: ['/etc/crio', '/etc/containers', '/run/containers/0'],
    registries: ['/etc/containers/certs.d', '/etc/crio/certs.d'],
    logNoise: undefined,
    words: ['crio', 'cri-o'],
  },
  renders: undefined,
};

/** Where other programs name handlers, beside the drop-in of kata-sysext. */
export const readByDaemon = [usualConfig, usualFolder];
