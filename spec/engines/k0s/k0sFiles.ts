import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { k0s } from '../../../cli/engines/k0s/index.ts';
import type { Instance } from '../../../cli/engines/types.ts';
import type { HostView } from '../../../cli/host/types.ts';
import { repo } from '../../support/program.ts';

const realFolder = join(repo, '../shared/real-data/cri');

export const folder = '/etc/k0s/containerd.d';
export const ours = `${folder}/kata-sysext.toml`;
export const main = '/etc/k0s/containerd.toml';
export const rendered = '/run/k0s/containerd-cri.toml';
export const unit = '/etc/systemd/system/k0sworker.service';
export const unitText = '[Service]\nExecStart=/usr/local/bin/k0s worker --token-file=/etc/k0s/token\n';

const oldCri = 'plugins."io.containerd.grpc.v1.cri"';

/** Written for this project, with the traps of the files that k0s writes. Their names are those of the real ones. */
const small: Record<string, string> = {
  '1.34.managed.containerd.toml': '# k0s_managed=true\n# a placeholder\nimports = ["/run/k0s/containerd-cri.toml"]\nversion = 2\n',
  '1.36.managed.containerd.toml':
    '# k0s_managed=true\n# a placeholder\nimports = ["/etc/k0s/containerd.d/*.toml"]\nversion = 3\n\n[plugins]\n\n  [plugins."io.containerd.cri.v1.images"]\n    [plugins."io.containerd.cri.v1.images".pinned_images]\n      sandbox = "pause:3.10"\n',
  '1.34.run.containerd-cri.toml': `version = 2\n\n[plugins]\n\n  [${oldCri}]\n    cdi_spec_dirs = ["/etc/cdi", "/var/run/cdi"]\n    sandbox_image = "pause:3.10"\n\n    [${oldCri}.containerd]\n      default_runtime_name = "runc"\n\n      [${oldCri}.containerd.runtimes]\n\n        [${oldCri}.containerd.runtimes.runc]\n          runtime_type = "io.containerd.runc.v2"\n`,
  '1.34.containerd.d.50-kata-v2.toml': `version = 2\n[${oldCri}.containerd.runtimes.kata]\n  runtime_type = "io.containerd.kata.v2"\n  pod_annotations = ["io.katacontainers.*"]\n  [${oldCri}.containerd.runtimes.kata.options]\n    ConfigPath = "/etc/kata-containers/configuration.toml"\n`,
  '1.34.run.containerd-cri.with-kata-dropin.toml': `version = 2\n\n[plugins]\n  [${oldCri}]\n    cdi_spec_dirs = ["/etc/cdi", "/var/run/cdi"]\n    sandbox_image = "pause:3.10"\n    [${oldCri}.containerd]\n      default_runtime_name = "runc"\n      [${oldCri}.containerd.runtimes]\n        [${oldCri}.containerd.runtimes.kata]\n          pod_annotations = ["io.katacontainers.*"]\n          runtime_type = "io.containerd.kata.v2"\n          [${oldCri}.containerd.runtimes.kata.options]\n            ConfigPath = "/etc/kata-containers/configuration.toml"\n        [${oldCri}.containerd.runtimes.runc]\n          runtime_type = "io.containerd.runc.v2"\n`,
};

/** The small files, and beside them, where shared/ lies beside the checkout, the real ones of the same names. */
export function k0sFiles(): { origin: string; files: Record<string, string> }[] {
  const own = { origin: 'small files', files: small };
  const real = join(realFolder, 'k0s');
  if (!existsSync(real)) {
    console.log('      files that k0s wrote are not beside this checkout: the small ones alone');
    return [own];
  }
  const names = readdirSync(real).filter((name) => name.endsWith('.toml'));
  return [
    own,
    { origin: 'files that k0s wrote', files: Object.fromEntries(names.map((name) => [name, readFileSync(join(real, name), 'utf8')])) },
  ];
}

/** Those of microk8s; none where shared/ does not lie beside the checkout. */
export function microk8sFiles(): { name: string; text: string }[] {
  const real = join(realFolder, 'microk8s');
  const names = existsSync(real) ? readdirSync(real).filter((name) => name.endsWith('.toml')) : [];
  return names.map((name) => ({ name, text: readFileSync(join(real, name), 'utf8') }));
}

/** An installed k0s in an offline tree. */
export async function instanceOn(host: HostView, version?: string): Promise<Instance> {
  const [instance] = await k0s.detect(host, version ?? '');
  return instance!;
}
