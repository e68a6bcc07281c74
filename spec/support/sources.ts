import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Node, SyntaxKind } from 'typescript/unstable/ast';
import { isFunctionLikeDeclaration } from 'typescript/unstable/ast/is';
import { API } from 'typescript/unstable/sync';

/** What a file of the program names and defines. Comments, and prose around a word, are none of it. */
export interface SourceFacts {
  /** From the repository's root: 'cli/engines/registry.ts'. */
  path: string;
  imports: Import[];
  /** Text literals, texts between the places of templates, and keys of object literals. */
  texts: { text: string; line: number }[];
  /** By their first line. */
  functions: { head: string; lines: number }[];
}

export interface Import {
  /** A file of the repository, from its root. */
  to: string;
  /** What is imported by name; empty for a whole module. */
  names: string[];
  /** By `import()`: loaded when the program comes there. */
  later: boolean;
}

const repository = fileURLToPath(new URL('../../', import.meta.url));

const textKinds: SyntaxKind[] = [
  SyntaxKind.StringLiteral,
  SyntaxKind.NoSubstitutionTemplateLiteral,
  SyntaxKind.TemplateHead,
  SyntaxKind.TemplateMiddle,
  SyntaxKind.TemplateTail,
];

/** Reads all of cli/ by the compiler's own parser; nothing is resolved or checked, so that it takes a second or two. */
export function readSources(): SourceFacts[] {
  const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-sources-'));
  const config = join(folder, 'tsconfig.json');
  const compilerOptions = { noResolve: true, noLib: true, types: [], allowImportingTsExtensions: true, noEmit: true, module: 'nodenext' };
  writeFileSync(config, JSON.stringify({ compilerOptions, include: [`${repository}cli/**/*.ts`] }));
  const api = new API({ cwd: folder });
  try {
    const [project] = api.updateSnapshot({ openProject: config }).getProjects();
    const names = project!.program.getSourceFileNames().filter((name) => name.startsWith(`${repository}cli/`));
    return names.map((name) => factsOf(name, project!.program.getSourceFile(name)!));
  } finally {
    api.close();
    rmSync(folder, { recursive: true });
  }
}

function factsOf(name: string, source: Node & { text: string }): SourceFacts {
  const facts: SourceFacts = { path: relative(repository, name), imports: [], texts: [], functions: [] };
  const lineOf = (node: Node) => source.text.slice(0, node.end).split('\n').length;
  const visit = (node: Node): void => {
    const { text } = node as Node & { text?: string };
    if (textKinds.includes(node.kind) && isModule(node)) {
      const to = relative(repository, join(name, '..', text!));
      const later = node.parent.kind === SyntaxKind.CallExpression;
      if (text!.startsWith('.')) facts.imports.push({ to, names: namesIn(node.parent), later });
    } else if (textKinds.includes(node.kind)) facts.texts.push({ text: text!, line: lineOf(node) });
    else if (node.kind === SyntaxKind.Identifier && isKey(node)) facts.texts.push({ text: text!, line: lineOf(node) });
    if (isFunctionLikeDeclaration(node)) {
      const lines = node.getText().split('\n');
      facts.functions.push({ head: lines[0]!, lines: lines.length });
    }
    node.forEachChild(visit);
  };
  visit(source);
  return facts;
}

function isModule({ parent }: Node): boolean {
  if (parent.kind === SyntaxKind.ImportDeclaration || parent.kind === SyntaxKind.ExportDeclaration) return true;
  const { expression } = parent as Node & { expression?: Node };
  return parent.kind === SyntaxKind.CallExpression && expression?.kind === SyntaxKind.ImportKeyword;
}

/** `import { a, type b as c } from …` → a, b. */
function namesIn(declaration: Node): string[] {
  const [, inside = ''] = /\{([^}]*)\}/.exec(declaration.getText()) ?? [];
  return inside.split(',').flatMap((word) => /^(?:type )?(\w+)/.exec(word.trim())?.[1] ?? []);
}

/** `{ name: … }`; shorthands are variables. */
function isKey(node: Node): boolean {
  const { name } = node.parent as Node & { name?: Node };
  return node.parent.kind === SyntaxKind.PropertyAssignment && name === node;
}
