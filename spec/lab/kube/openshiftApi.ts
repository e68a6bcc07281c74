import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { moduleFiles, unbuilt } from '../goPrograms.ts';
import type { Availability } from '../roots.ts';

/** As the machine-config-operator of OpenShift requires it. */
const module = 'github.com/openshift/api@v0.0.0-20260810132456-8f52beb625b5';

/** What OpenShift's own API server knows and another one does not, by the files of the module. */
const names = [
  '0000_03_config-operator_01_securitycontextconstraints.crd.yaml',
  '0000_80_machine-config_01_machineconfigs.crd.yaml',
  '0000_80_machine-config_01_machineconfigpools-SelfManagedHA.crd.yaml',
  '0000_80_machine-config_01_machineconfigurations.crd.yaml',
];

/** Whether its definitions can be had here; a `why` is for a skip's name. */
export async function openshiftAvailable(): Promise<Availability> {
  try {
    await openshiftDefinitions();
    return { ok: true };
  } catch (error) {
    return unbuilt(module, error);
  }
}

/** Files of CustomResourceDefinitions, as OpenShift publishes them. */
export async function openshiftDefinitions(): Promise<string[]> {
  const folder = await moduleFiles(
    'openshift-api',
    module,
    names.map((name) => `payload-manifests/crds/${name}`),
  );
  return (await readdir(folder)).sort().map((name) => join(folder, name));
}
