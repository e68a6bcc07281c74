import { parseDocument } from '../../documents/toml/index.ts';
import { usualConfig } from './facts.ts';

/** See `OfflineWiring.patternsIn`. Literal imports are not there on a throw-away tree, and are refused by the installation itself. */
export function importedPatterns(text: string): string[] {
  const { imports } = parseDocument(text, usualConfig).value;
  return Array.isArray(imports) ? imports.filter((each) => typeof each === 'string' && each.includes('*')).map(String) : [];
}
