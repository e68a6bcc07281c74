import { type Generated, generate, type OutputKind, targetNamed } from '../../cli/generate/index.ts';
import { version } from '../../cli/version.ts';

const mark = /<!-- (?<kind>\w+) for (?<target>[\w.-]+): (?<file>[\w.-]+) -->\n(?:```\w*\n.*?\n```\n)?/gs;

/** A kind of output in the form *hook*, or those that a page shows in another one. */
type Shown = OutputKind | 'renderedbutane' | 'bakedcontainerfile';

/** docs/first-boot.md with what `generate` makes behind each of its marks, byte for byte. */
export function withGenerated(page: string): string {
  return page.replace(mark, (_all, kind: Shown, target: string, file: string) => {
    const text = example(kind, target)[file];
    if (text === undefined) throw new Error(`generate ${kind} makes no ${file}`);
    return `<!-- ${kind} for ${target}: ${file} -->\n\`\`\`${language(file)}\n${text}\`\`\`\n`;
  });
}

function example(kind: Shown, target: string): Record<string, string> {
  const source = (name: string, digit: string) => ({
    name,
    digest: `sha256:${digit.repeat(64)}` as const,
    url: `https://files.example.org/kata/${name}`,
    sizeBytes: 123_456_789,
  });
  const common = { target: targetNamed(target), kernelArguments: [], version };
  if (kind === 'renderedbutane') {
    const places = [
      '/var/usrlocal/libexec/kata-sysext',
      '/var/lib/kata-sysext',
      '/etc/kata-sysext',
      '/etc/crio/crio.conf.d/50-kata-sysext.conf',
    ];
    const archive = source('kata-sysext-3333333333333333.tar.gz', '3');
    const beside = { own: places.slice(3), handlers: ['kata-qemu-runtime-rs'], read: ['/etc/crio/crio.conf', '/etc/crio/crio.conf.d'] };
    const node = { unpackedBytes: 345_678_901, beside };
    return byName(
      generate(
        'butane',
        { ...common, form: 'rendered', archive, ...node, places, engineUnit: 'crio.service' },
        { role: 'kata', policy: true },
      ),
    );
  }
  if (kind === 'bakedcontainerfile') {
    const [program, bundle] = [source('kata-sysext-linux-x64', '1'), source('kata-static-4.1.0-amd64.tar.zst', '2')];
    const request = { ...common, form: 'baked' as const, program, bundles: [bundle], installArguments: [] };
    return byName(generate('containerfile', request, { role: 'kata', policy: true }));
  }
  const request = {
    ...common,
    form: 'hook' as const,
    program: source('kata-sysext-linux-x64', '1'),
    bundles: [source('kata-static-4.1.0-amd64.tar.zst', '2')],
    installArguments: [],
  };
  return byName(generate(kind, request, { role: 'kata', policy: true }));
}

function byName(files: Generated[]): Record<string, string> {
  return Object.fromEntries(files.map(({ name, text }) => [name, text]));
}

function language(file: string): string {
  return file === 'Containerfile' ? 'dockerfile' : 'yaml';
}
