import type { HostPath } from '../../host/types.ts';
import type { EngineFacts } from '../contract.ts';

export const usualConfig: HostPath = '/etc/containerd/config.toml';

/** What is known of containerd without a host. */
export const facts: EngineFacts = {
  name: 'containerd',
  title: 'containerd',
  units: ['containerd.service'],
  programs: ['containerd'],
  storage: ['/var/lib/containerd'],
  report: {
    configuration: ['/etc/containerd'],
    tables: /^(?:plugins|containerd|runtimes|cri|io\.containerd\.[\w.-]+|runc|crun|options|proxy_plugins|stream_processors)$/,
    keys: /^(?:version|imports|disabled_plugins|required_plugins|root|state|snapshotter|default_runtime_name|runtime_type|runtime_path|runtime_root|ConfigPath|SystemdCgroup|privileged_without_host_devices|privileged_without_host_devices_all_devices_allowed|enable_selinux|enable_cdi|pod_annotations|container_annotations)$/,
    credentials: ['/etc/containerd'],
    registries: ['/etc/containerd/certs.d'],
    // What every start says, a line for each plugin.
    logNoise: /level=info msg="(?:skip )?loading plugin/,
    words: ['containerd'],
  },
  renders: undefined,
};
