import { requestOf } from '../../requests/request.ts';
import { version } from '../../version.ts';
import { yaml } from '../outputs/yaml.ts';
import type { Generated } from '../types.ts';
import { chartFiles } from './chart.ts';
import { type ApiObject, renderObjects } from './manifests.ts';
import { asValue, isTrue, plainOf, type Table } from './template/values.ts';
import { merged, readValues, wholeValues } from './values.ts';
import { refuseWords } from './words.ts';

export const kubernetesForms = ['chart', 'manifests', 'kustomize'] as const;
export type KubernetesForm = (typeof kubernetesForms)[number];

/** What a cluster should have. */
export interface KubernetesRequest {
  form: KubernetesForm;
  /** Values of the user, read from a file; undefined without one. */
  values?: { text: string; path: string } | undefined;
  /** Keys of `request` in the values that the command line says, and the image: they replace those of the file. */
  request: Record<string, unknown>;
  image?: { repository: string; digest: string } | undefined;
}

type Mode = 'observe' | 'install' | 'uninstall';
const modes: Mode[] = ['observe', 'install', 'uninstall'];

/** The files for a cluster. Pure, and the same bytes for the same request. Throws `usage`. */
export function generateKubernetes(request: KubernetesRequest): Generated[] {
  const path = request.values?.path ?? 'the values';
  const given = request.values === undefined ? new Map() : readValues(request.values.text, path);
  const { image } = request;
  const said = merged(
    given,
    asValue({
      ...(Object.keys(request.request).length === 0 ? {} : { request: request.request }),
      ...(image === undefined ? {} : { image }),
    }) as Table,
  );
  // Judged also where nothing is rendered here.
  const whole = wholeValues(said, path);
  refuseUnfit(whole, path);
  return makers[request.form]({ said, modes: modesOf(whole), objects: (mode) => renderObjects(inMode(whole, mode)) });
}

/** What no node would take: a whole cluster would refuse it, one node after the other. Throws `request-unfit`. */
function refuseUnfit(values: Table, path: string): void {
  const tables = [values.get('request'), (values.get('canary') as Table).get('request')] as [Table, Table];
  for (const request of [tables[0], new Map([...tables[0], ...tables[1]])]) {
    const said = Object.fromEntries([...request].filter(([, value]) => isTrue(value)).map(([key, value]) => [key, plainOf(value)]));
    refuseWords(requestOf(JSON.stringify({ apiVersion: 'kata-sysext/v1', kind: 'Request', mode: 'observe', ...said }), path), path);
  }
}

/** Without a bundle nodes have nothing to install: they can only be looked at. */
function modesOf(values: Table): Mode[] {
  const hasBundle = isTrue((values.get('request') as Table).get('bundles'));
  return modes.filter((mode) => mode !== 'install' || hasBundle);
}

const title = (what: string) => `Made by kata-sysext ${version} generate kubernetes: ${what}`;

interface Made {
  /** The values that differ from those of the chart. */
  said: Table;
  modes: Mode[];
  objects: (mode: Mode) => ApiObject[];
}

const makers: Record<KubernetesForm, (made: Made) => Generated[]> = {
  chart: ({ said }) => [
    ...chartFiles().map(({ name, text }) => ({ name: `kata-sysext/${name}`, text })),
    {
      name: 'values.yaml',
      text: yaml(plainOf(said) as never, [
        title('values for the chart beside this file.'),
        'helm install kata-sysext ./kata-sysext -f values.yaml',
        'Once all pods are ready, add the line mode: install, and run: helm upgrade kata-sysext ./kata-sysext -f values.yaml',
      ]),
    },
  ],
  manifests: ({ modes: made, objects }) =>
    made.map((mode) => {
      const name = `${modes.indexOf(mode) + 1}-${mode}.yaml`;
      const comment = notes[mode].map((line) => line.replace('FILES', name));
      return { name, text: documents(objects(mode), comment) };
    }),
  kustomize: ({ modes: made, objects }) => {
    const base = objects('observe').filter(({ kind }) => kind !== 'DaemonSet');
    return [
      { name: 'base/kata-sysext.yaml', text: documents(base, [title('all but the DaemonSets.')]) },
      { name: 'base/kustomization.yaml', text: kustomization(['kata-sysext.yaml']) },
      ...made.flatMap((mode) => {
        const sets = objects(mode).filter(({ kind }) => kind === 'DaemonSet');
        return [
          {
            name: `${mode}/daemonset.yaml`,
            text: documents(
              sets,
              notes[mode].map((line) => line.replace('-f FILES', `-k ${mode}`)),
            ),
          },
          { name: `${mode}/kustomization.yaml`, text: kustomization(['../base', 'daemonset.yaml']) },
        ];
      }),
    ];
  },
};

const notes: Record<Mode, string[]> = {
  observe: [title('each node says whether Kata fits, and changes nothing.'), 'kubectl apply -f FILES; then wait until all pods are ready.'],
  install: [
    title('each node gets what the request says.'),
    'kubectl apply -f FILES, as an update of the mode observe. A DaemonSet that is created in this mode starts on all nodes at once, so that its',
    'pods only observe; kubectl -n kata-sysext rollout restart daemonset/kata-sysext then begins the installation in waves.',
  ],
  uninstall: [
    title('Kata goes from each node; one where Kata pods run waits for them.'),
    'kubectl apply -f FILES; once all pods are ready: kubectl delete -f FILES',
  ],
};

/** A canary has a mode of its own for the installation alone: otherwise it would install while the others observe. */
function inMode(values: Table, mode: Mode): Table {
  return merged(values, asValue({ mode, ...(mode === 'install' ? {} : { canary: { mode: '' } }) }) as Table);
}

function documents(objects: ApiObject[], comment: string[]): string {
  return objects.map(({ object }, at) => yaml(object as never, at === 0 ? comment : [])).join('---\n');
}

function kustomization(resources: string[]): string {
  return yaml({ apiVersion: 'kustomize.config.k8s.io/v1beta1', kind: 'Kustomization', resources });
}
