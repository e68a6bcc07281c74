const digest = (digit: string) => `sha256:${digit.repeat(64)}`;
const image = `image: {repository: registry.example.org/kata-sysext, digest: '${digest('1')}'}\n`;
const bundle = `{from: https://files.example.org/kata/kata-static-4.2.0-amd64.tar.zst, digest: '${digest('2')}'}`;

/** Files of values that the chart takes. */
export const fitting: Record<string, string> = {
  'the image alone': image,
  'a bundle, observed': `${image}request: {bundles: [${bundle}], retry: 3}\n`,
  'an installation': `${image}mode: install\nrequest: {bundles: [${bundle}], handlers: [kata-qemu-runtime-rs, clh-runtime-rs], backend: prefix}\n`,
  'all nodes at once': `${image}mode: install\nwaves: none\nmaxUnavailable: 7\nrequest: {bundles: [{from: kata@4.2.0}], mirror: https://mirror.example.org, registryAuth: /var/lib/kubelet/config.json, caFile: /etc/pki/own.pem}\n`,
  'an uninstallation': `${image}mode: uninstall\nproof: token\nrequest: {bundles: [${bundle}], allow: [host-no-kvm], retry: 1, engines: [containerd], metrics: /var/lib/node_exporter}\n`,
  'a canary that is ahead': `${image}request: {bundles: [${bundle}], settings: [default_memory=512]}
canary:
  enabled: true
  mode: install
  nodeSelector: {kata-sysext/canary: 'true', pool: a.b_c-D}
  request: {bundles: [{from: 'oci://registry.example.org/kata@${digest('3')}'}], settings: []}\n`,
  'a canary with a further handler, and an alias of another one': `${image}request: {bundles: [${bundle}], aliases: [kata=qemu]}
canary: {enabled: true, request: {handlers: [clh, kata-qemu-runtime-rs], aliases: [kata=clh]}}\n`,
  'a canary with a handler and a class of its own': `${image}request: {bundles: [${bundle}]}
canary: {enabled: true, request: {handlers: [clh]}}
runtimeClasses:
  classes:
    - {name: small, handler: kata-clh, nodeSelector: {kata-sysext/canary: 'true'}}
    - {name: usual, handler: kata-qemu-runtime-rs, nodeSelector: {pool: usual}}\n`,
  'a canary with another handler, selected by intent': `${image}canary: {enabled: true, request: {handlers: [clh]}}\nruntimeClasses: {select: intent}\n`,
  'a canary with another handler that goes': `${image}canary: {enabled: true, mode: uninstall, request: {handlers: [clh]}}\n`,
  'no labels and no classes': `${image}proof: none\nruntimeClasses: {enabled: false}\n`,
  'a canary that goes': `${image}mode: uninstall\ncanary: {enabled: true}\nproof: none\n`,
  'the intent': `${image}nodeSelector: {kata-sysext/intent: 'true'}\nruntimeClasses: {select: intent}\n`,
  'a file for Node Feature Discovery': `${image}proof: nfd\nrequest: {bundles: [${bundle}]}\n`,
  'the file goes': `${image}proof: nfd\nmode: uninstall\n`,
  'aliases and devices': `${image}request: {handlers: [qemu-snp, qemu-tdx-runtime-rs, qemu-nvidia-gpu-snp], aliases: [kata=qemu-snp, gone=]}\n`,
  'classes of one’s own': `${image}runtimeClasses:
  classes:
    - {name: kata.v2, handler: kata-qemu, nodeSelector: {a: b}, tolerations: [{key: tee, operator: Exists, effect: NoSchedule}]}
    - {name: small, handler: newkernel, podFixed: {memory: 64Mi}}
  handlers: {kata-qemu: {podFixed: {memory: null, cpu: 10m, tdx.intel.com/keys: '1'}}}\n`,
  'OpenShift, privileged': `${image}openshift: true\npodMode: privileged\nproof: none\nruntimeClasses: {select: intent}\nselinuxType: container_kvm_t\n`,
  'OpenShift, confined': `${image}openshift: true\nappArmorType: ''\n`,
  'a namespace that is there': `${image}namespace: {name: kube-system, create: false}\npriorityClassName: system-node-critical\nimagePullSecrets: [a, b.c]\nimagePullPolicy: Always\n`,
  'no taints, no classes': `${image}tolerations: []\nruntimeClasses: {enabled: false}\nupdates: {minReadySeconds: 30, revisionHistoryLimit: 2}\nresources: {change: {limits: null}}\n`,
  'hostile texts': `${image}request:
  settings:
    - 'kernel_params=$(NODE_NAME) $$ {{ .Values.mode }} {{- fail "x" }} #: - &a *a !b %c @d \`e\`'
    - "a=\\" \\\\ ' <b> & </b> \\u2028 \\u2029 \\U0001F600 é "
    - 'yes'
    - '010'
    - '---'
    - '~'
    - ' blanks '
  allow: ['${'x'.repeat(4096)}', '\\n', '{"a": 1}']
nodeSelector: {'y': 'no', 'true': '1e3', '7': '', a.b/C_d: 0x1F-z}\n`,
};

/** Files of values that the chart refuses, with a part of the reason. */
export const unfit: Record<string, [text: string, reason: RegExp]> = {
  'no image': ['mode: observe\n', /image\.repository is missing/],
  'a tag in place of a digest': ['image: {repository: a, digest: latest}\n', /image\.digest|\/image\/digest/],
  'a key that is not known': [`${image}modes: install\n`, /modes/],
  'a key of the request that is not known': [`${image}request: {bundle: []}\n`, /bundle/],
  'another type': [`${image}openshift: 'yes'\n`, /openshift/],
  'a mode that is not known': [`${image}mode: upgrade\n`, /mode/],
  'a table that is gone': [`${image}request: null\n`, /request/],
  'an unavailable share of nothing': [`${image}maxUnavailable: 0%\n`, /maxUnavailable/],
  'no unavailable node': [`${image}maxUnavailable: 0\n`, /maxUnavailable/],
  'a control character': [`${image}request: {settings: ["a=\\x07"]}\n`, /settings/],
  'a line end': [`${image}request: {settings: ["a=b\\nmode: install"]}\n`, /settings/],
  'a byte order mark': [`${image}request: {settings: ["a=\\uFEFF"]}\n`, /settings/],
  'a label of two lines': [`${image}nodeSelector: {a: "b\\nc: d"}\n`, /nodeSelector/],
  'a label’s key with a colon': [`${image}nodeSelector: {"a: b": c}\n`, /a: b/],
  'a repository with a blank': ['image: {repository: "a b", digest: ""}\n', /repository/],
  'a canary of all nodes': [`${image}canary: {enabled: true, nodeSelector: {kata-sysext/canary: null}}\n`, /canary\.nodeSelector is empty/],
  'an installation of nothing': [`${image}mode: install\n`, /request\.bundles is empty/],
  'a canary of nothing': [`${image}canary: {enabled: true, mode: install}\n`, /kata-sysext-canary is install/],
  'a canary without a handler that pods are sent to it for': [
    `${image}canary: {enabled: true, request: {handlers: [clh]}}\n`,
    /the RuntimeClass kata-qemu-runtime-rs would send pods to nodes without the handler kata-qemu-runtime-rs/,
  ],
  'a canary without an alias of the others': [
    `${image}request: {aliases: [kata=qemu]}\ncanary: {enabled: true, request: {aliases: [small=qemu, kata=]}}\n`,
    /the RuntimeClass kata would send pods to nodes without the handler kata:/,
  ],
  'a class for a handler of the canary alone': [
    `${image}canary: {enabled: true, request: {handlers: [clh, qemu-runtime-rs]}}\nruntimeClasses: {classes: [{name: small, handler: kata-clh}]}\n`,
    /the RuntimeClass small would send pods to nodes without the handler kata-clh:/,
  ],
  'classes that select a label which nothing makes': [`${image}proof: none\n`, /proof is none, and runtimeClasses\.select is proof/],
  'a class without an overhead': [
    `${image}runtimeClasses: {classes: [{name: a, handler: b}]}\n`,
    /the overhead of the RuntimeClass a is not known/,
  ],
};
