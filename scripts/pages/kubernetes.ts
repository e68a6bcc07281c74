import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { generateKubernetes } from '../../cli/generate/kubernetes/index.ts';

const folder = 'examples/kubernetes';

/** Examples that `generate kubernetes` makes of the example of values: path → text. */
export function kubernetesExamples(): Record<string, string> {
  const path = `${folder}/values.yaml`;
  const text = readFileSync(join(import.meta.dirname, '../..', path), 'utf8');
  const made = (more = '') => {
    const files = generateKubernetes({ form: 'manifests', values: { text: `${text}${more}`, path }, request: {} });
    return files.find(({ name }) => name === '2-install.yaml')!.text;
  };
  const scc = made('openshift: true\n')
    .split('---\n')
    .find((each) => each.includes('SecurityContextConstraints'))!;
  return {
    [`${folder}/2-install.yaml`]: made(),
    [`${folder}/openshift-scc.yaml`]: `# What openshift: true adds: these ServiceAccounts may have folders of the host, and no further right.\n${scc}`,
  };
}
