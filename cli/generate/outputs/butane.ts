import { metadata } from '../owner.ts';
import type { FirstBoot, Target } from '../types.ts';
import { type Yaml, yaml } from './yaml.ts';

/** The same as a Butane configuration: its text can be read, and joined with one's own. */
export function butane(firstBoot: FirstBoot, target: Target, role: string): string {
  const { files, units, kernelArguments } = firstBoot;
  const { variant, version } = target.butane;
  const kernel = kernelArguments.length > 0;
  const document: Record<string, Yaml> = {
    variant,
    version,
    ...(target.openshift ? { metadata: metadata(role) } : {}),
    ...(target.openshift && kernel ? { openshift: { kernel_arguments: kernelArguments } } : {}),
    ...(!target.openshift && kernel ? { kernel_arguments: { should_exist: kernelArguments } } : {}),
    storage: { files: files.map(({ path, mode, text }) => ({ path, overwrite: true, mode, contents: { inline: text } })) },
    systemd: { units: units.map(({ name, text }) => ({ name, enabled: true, contents: text })) },
  };
  return yaml(document, [firstBoot.title, `butane --strict kata-sysext.bu > kata-sysext.${target.openshift ? 'yaml' : 'ign'}`]);
}
