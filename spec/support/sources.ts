import { readdirSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Node, SourceFile } from 'typescript/unstable/ast';
import {
  isCallExpression,
  isExportDeclaration,
  isFunctionLikeDeclaration,
  isImportDeclaration,
  isStringLiteral,
} from 'typescript/unstable/ast/is';
import { API } from 'typescript/unstable/sync';

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface Import {
  /** Paths below the checkout. */
  from: string;
  to: string;
  /** What is imported by name; empty for a whole module. */
  names: string[];
}

export interface Length {
  path: string;
  name: string;
  lines: number;
}

export interface Sources {
  imports: Import[];
  functions: Length[];
}

/** All files below `cli/` as the compiler's own parser reads them. */
export function readSources(): Sources {
  const api = new API({ cwd: root });
  try {
    const snapshot = api.updateSnapshot({ openProject: join(root, 'tsconfig.json') });
    const [project] = snapshot.getProjects();
    const files = readdirSync(join(root, 'cli'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));
    const found: Sources = { imports: [], functions: [] };
    for (const name of files) {
      const file = project?.program.getSourceFile(join(root, 'cli', name));
      if (file === undefined) throw new Error(`the compiler does not know cli/${name}`);
      look(file, file, `cli/${name}`, found);
    }
    return found;
  } finally {
    api.close();
  }
}

function look(node: Node, file: SourceFile, path: string, found: Sources): void {
  const at = moduleOf(node);
  if (at?.startsWith('.') === true) {
    const to = relative(root, resolve(root, dirname(path), at));
    found.imports.push({ from: path, to, names: namesIn(node, file) });
  }
  if (isFunctionLikeDeclaration(node)) {
    const lines = file.text.slice(node.getStart(file), node.end).split('\n').length;
    found.functions.push({ path, name: file.text.slice(node.getStart(file), node.end).split('\n')[0] ?? '', lines });
  }
  node.forEachChild((child) => look(child, file, path, found));
}

function moduleOf(node: Node): string | undefined {
  const module =
    isImportDeclaration(node) || isExportDeclaration(node)
      ? node.moduleSpecifier
      : isCallExpression(node) && node.expression.getText() === 'import'
        ? node.arguments[0]
        : undefined;
  return module !== undefined && isStringLiteral(module) ? module.text : undefined;
}

function namesIn(node: Node, file: SourceFile): string[] {
  const inside = /\{([^}]*)\}/.exec(file.text.slice(node.getStart(file), node.end))?.[1] ?? '';
  return inside
    .split(',')
    .map((word) =>
      word
        .trim()
        .replace(/^type /, '')
        .replace(/ as .*/, ''),
    )
    .filter((word) => word !== '');
}
