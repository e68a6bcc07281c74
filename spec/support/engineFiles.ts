import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repo } from './program.ts';

const realFolder = join(repo, '../shared/real-data/cri');

const cri = 'plugins."io.containerd.grpc.v1.cri"';
const runtime = "plugins.'io.containerd.cri.v1.runtime'";
const runc = `[${cri}.containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v2"\n`;

/** Small configurations of containerd, each with a trap that files of real products have. They are written for this project. */
const containerdFiles: Record<string, string> = {
  'empty.toml': '',
  'version-only.toml': 'version = 2\n',
  'comments-only.toml': '# the file of a node\n#imports = ["/etc/containerd/conf.d/*.toml"]\n',
  // Indented by spaces and tabs, tables out of their order, a list over lines, strings of each kind.
  'indented.toml': [
    'version = 2',
    '\troot = "/var/lib/containerd"  # where layers are',
    '[grpc]',
    "  address = '/run/containerd/containerd.sock'",
    `[${cri}.containerd]`,
    '  default_runtime_name = "runc"',
    `    [${cri}.containerd.runtimes.runc]`,
    '      runtime_type = "io.containerd.runc.v2"',
    '      pod_annotations = [',
    '        "a.b/*", # one',
    '      ]',
    `    [${cri}.containerd.runtimes.runc.options]`,
    '      SystemdCgroup = true',
    `[${cri}]`,
    '  sandbox_image = """pause:3.10"""',
    '',
  ].join('\n'),
  'crlf.toml': `version = 2\n[${cri}]\n  sandbox_image = "pause"\n${runc}`.replaceAll('\n', '\r\n'),
  'no-end.toml': `version = 2\n${runc}`.trimEnd(),
  'whitespace-lines.toml': `   \nversion = 2\n\t\n${runc}    \n  \n`,
  'byte-order-mark.toml': `\ufeffversion = 2\n${runc}`,
  'inline-tables.toml': `version = 2\nplugins."io.containerd.internal.v1.opt" = { path = "/opt/containerd" }\n${runc}`,
  // The dump of a daemon: it imports itself.
  'imports-itself.toml': `imports = ["/etc/containerd/config.toml"]\nversion = 2\n${runc}`,
  'imports-a-folder.toml': `version = 2\nimports = ["/etc/containerd/config.d/*.toml"]\n${runc}`,
  'another-kata.toml': `version = 2\n${runc}[${cri}.containerd.runtimes.kata-mine]\nruntime_type = "io.containerd.kata.v2"\nprivileged_without_host_devices = true\n`,
  'schema-3-mixed-ends.toml': [
    'version = 3\r\n',
    "root = 'C:\\data'\r\n",
    `  [${runtime}.containerd]\r\n    default_runtime_name = 'runc'\r\n`,
    `    [${runtime}.containerd.runtimes.runc]\n      runtime_type = 'io.containerd.runc.v2'\n`,
  ].join(''),
  'imports-what-is-not-there.toml': `version = 3\nimports = [\n  "/etc/cri/base.toml",\n  "/etc/cri/more.toml",\n]\n`,
  'schema-1.toml': '[plugins.cri.containerd.runtimes.runc]\nruntime_type = "io.containerd.runc.v1"\n',
  'no-version-new-ids.toml': `[${cri}.containerd]\ndefault_runtime_name = "runc"\n`,
  'template.toml': `version = 2\n{{- if .GPU }}\n[${cri}.containerd]\ndefault_runtime_name = "nvidia"\n{{- end }}\n`,
  'placeholders.toml': `version = 3\n[grpc]\naddress = {{SOCKET}}\n`,
};

/** The same of CRI-O. */
const crioFiles: Record<string, string> = {
  'comments-only.conf': '# [crio.runtime]\n# default_runtime = "runc"\n#\n',
  'tabs.conf': '[crio]\nroot\t=\t"/var/lib/containers"\n\t[crio.runtime]\n\t\tdefault_runtime = "runc"\n\t\t[crio.runtime.runtimes.runc]\n',
  'lists-over-lines.conf':
    '[crio.runtime]\ndefault_runtime = "crun"\n[crio.runtime.runtimes.crun]\nallowed_annotations = [\n    "io.containers.trace-syscall",\n]\n',
  'inline-tables.conf': '[crio.runtime]\nselinux = true\nruntimes = { crun = { runtime_path = "/usr/bin/crun" } }\n',
  'empty-tables.conf': '[crio.image]\n[crio.network]\n[crio.runtime]',
  'no-spaces-crlf.conf': '[crio.image]\r\npause_image="pause:3.10"\r\n',
  'another-kata.conf': '[crio.runtime.runtimes.kata-mine]\nruntime_path = "/opt/mine/shim"\nruntime_type = "vm"\n',
};

export interface EngineFile {
  name: string;
  bytes: Buffer;
}

/** The small files, and where shared/ lies beside the checkout those of real products. */
export function engineFiles(engine: 'containerd' | 'crio'): EngineFile[] {
  const own = Object.entries(engine === 'containerd' ? containerdFiles : crioFiles);
  const real = join(realFolder, engine);
  const names = existsSync(real) ? readdirSync(real).sort() : [];
  if (names.length === 0) console.log(`      files of real products are not beside this checkout: the small ones of ${engine} alone`);
  return [
    ...own.map(([name, text]) => ({ name, bytes: Buffer.from(text) })),
    ...names.map((name) => ({ name, bytes: readFileSync(join(real, name)) })),
  ];
}

/** The folder of real files beside the checkout; where it is missing, the spec is skipped and says so. */
export function realDataFor(spec: Mocha.Context): string {
  const folder = join(repo, '../shared/real-data');
  if (existsSync(folder)) return folder;
  console.log('      skipped: there is no ../shared/real-data beside this checkout');
  return spec.skip();
}
