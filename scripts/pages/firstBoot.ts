import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeRelease } from '../../cli/commands/try/tree.ts';
import { type Generated, generate, type OutputKind, type RenderedRequest, targetNamed } from '../../cli/generate/index.ts';
import { render } from '../../cli/rendering/index.ts';
import { version } from '../../cli/version.ts';

/** Where a page shows what `generate` makes: the kind of output, the target and the file; and for a long one the path of the example that has it. */
export const shownFile =
  /<!-- (?<kind>\w+) for (?<target>[\w.-]+): (?<file>[\w.-]+)(?:, in (?<example>examples\/[\w./-]+))? -->\n(?:```\w*\n(?<text>.*?)```\n)?/gs;

/** A kind of output in the form *hook*, or those that a page shows in another one. */
type Shown = OutputKind | 'renderedbutane' | 'bakedcontainerfile';

/** A page with what `generate` makes behind each of its marks, byte for byte, and the examples that its marks name, by path. */
export async function withGenerated(page: string): Promise<{ page: string; examples: Record<string, string> }> {
  const marks = [...page.matchAll(shownFile)];
  const rendered = marks.some(({ groups }) => groups!['kind'] === 'renderedbutane') ? await renderedFor('fcos') : undefined;
  const examples: Record<string, string> = {};
  const filled = page.replace(shownFile, (all, kind: Shown, target: string, file: string, path: string | undefined) => {
    const text = example(kind, target, rendered)[file];
    if (text === undefined) throw new Error(`generate ${kind} makes no ${file}`);
    const mark = all.slice(0, all.indexOf('\n'));
    if (path === undefined) return `${mark}\n\`\`\`${language(file)}\n${text}\`\`\`\n`;
    examples[path] = text;
    return `${mark}\n`;
  });
  return { page: filled, examples };
}

/** What is installed on a target's tree, and where: by an installation of the demo's release, as `generate` itself does it. */
async function renderedFor(name: string): Promise<Pick<RenderedRequest, 'places' | 'modules' | 'engineUnit' | 'beside' | 'unpackedBytes'>> {
  const folder = await mkdtemp(join(tmpdir(), 'kata-sysext-docs-'));
  try {
    await makeRelease(folder, '4.1.0');
    const install = {
      dryRun: false,
      waitSeconds: 0,
      allow: [],
      engines: ['crio@1.34'],
      sources: [folder],
      digests: [],
      handlers: [],
      backend: 'prefix',
    };
    const context = { program: version, emit: () => undefined, signal: new AbortController().signal, asked: { cause: 'generate' } };
    return await render(context, { target: targetNamed(name), install, epoch: 0 }, async ({ places, modules, engineUnit, beside }) => ({
      places,
      ...(modules === undefined ? {} : { modules }),
      engineUnit,
      ...(beside === undefined ? {} : { beside }),
      // As of a release of today.
      unpackedBytes: 345_678_901,
    }));
  } finally {
    await rm(folder, { recursive: true });
  }
}

function example(
  kind: Shown,
  target: string,
  rendered: Pick<RenderedRequest, 'places' | 'modules' | 'engineUnit' | 'beside' | 'unpackedBytes'> | undefined,
): Record<string, string> {
  const source = (name: string, digit: string) => ({
    name,
    digest: `sha256:${digit.repeat(64)}` as const,
    url: `https://files.example.org/kata/${name}`,
    sizeBytes: 123_456_789,
  });
  const common = { target: targetNamed(target), kernelArguments: [], version };
  const pool = { role: 'kata', policy: true };
  const [program, bundle] = [source('kata-sysext-linux-x64', '1'), source('kata-static-4.1.0-amd64.tar.zst', '2')];
  if (kind === 'renderedbutane') {
    const archive = source('kata-sysext-3333333333333333.tar.gz', '3');
    return byName(generate('butane', { ...common, ...rendered!, form: 'rendered', archive }, pool));
  }
  const request = { ...common, program, bundles: [bundle], installArguments: [] };
  if (kind === 'bakedcontainerfile') return byName(generate('containerfile', { ...request, form: 'baked' }, pool));
  return byName(generate(kind, { ...request, form: 'hook' }, pool));
}

function byName(files: Generated[]): Record<string, string> {
  return Object.fromEntries(files.map(({ name, text }) => [name, text]));
}

function language(file: string): string {
  if (file === 'Containerfile') return 'dockerfile';
  return file.endsWith('.ign') ? 'json' : 'yaml';
}
