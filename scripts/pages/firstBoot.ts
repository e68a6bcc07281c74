import { generate, type OutputKind, targetNamed } from '../../cli/generate/index.ts';
import { version } from '../../cli/version.ts';

const mark = /<!-- (?<kind>\w+) for (?<target>[\w.-]+): (?<file>[\w.-]+) -->\n(?:```\w*\n.*?\n```\n)?/gs;

/** docs/first-boot.md with what `generate` makes behind each of its marks, byte for byte. */
export function withGenerated(page: string): string {
  return page.replace(mark, (_all, kind: OutputKind, target: string, file: string) => {
    const text = example(kind, target)[file];
    if (text === undefined) throw new Error(`generate ${kind} makes no ${file}`);
    return `<!-- ${kind} for ${target}: ${file} -->\n\`\`\`${language(file)}\n${text}\`\`\`\n`;
  });
}

function example(kind: OutputKind, target: string): Record<string, string> {
  const source = (name: string, digit: string) => ({
    name,
    digest: `sha256:${digit.repeat(64)}` as const,
    url: `https://files.example.org/kata/${name}`,
  });
  const request = {
    target: targetNamed(target),
    program: source('kata-sysext-linux-x64', '1'),
    bundles: [source('kata-static-4.1.0-amd64.tar.zst', '2')],
    installArguments: [],
    kernelArguments: [],
    version,
  };
  return Object.fromEntries(generate(kind, request, { role: 'kata', policy: true }).map(({ name, text }) => [name, text]));
}

function language(file: string): string {
  return file === 'Containerfile' ? 'dockerfile' : 'yaml';
}
