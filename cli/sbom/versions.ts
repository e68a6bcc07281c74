import type { YamlValue } from '../facts/yaml.ts';

/** The release's versions.yaml, as far as it can be used. */
export interface Versions {
  /** Why nothing of it is used. */
  fault?: string;
  /** A text at a place; undefined where it is no short plain text. */
  textAt(place: readonly string[]): string | undefined;
}

/** Below opt/kata. */
export const versionsName = 'versions.yaml';

/** Upstream's has 17 kB. */
const maxBytes = 1024 * 1024;
/** What is printed and becomes a part of an address. */
const plain = /^[\x21-\x7e](?:[\x20-\x7e]{0,510}[\x21-\x7e])?$/;

/**
 * Reads a versions.yaml, which comes with a release and may hold anything: bounded in bytes, marks and depth, without aliases and without
 * keys that are names of every object (`facts/yaml.ts`). A file that cannot be used gives a reason and no facts.
 */
export async function readVersions(text: string | undefined): Promise<Versions> {
  if (text === undefined) return nothing('the release has no versions.yaml');
  if (Buffer.byteLength(text) > maxBytes) return nothing(`versions.yaml has more than ${maxBytes} bytes`);
  const { parseYaml } = await import('../facts/yaml.ts');
  let value: YamlValue;
  try {
    value = parseYaml(text);
  } catch (error) {
    return nothing(`versions.yaml cannot be used: ${error instanceof Error ? error.message : String(error)}`);
  }
  return {
    textAt: (place) => {
      let at: YamlValue = value;
      for (const key of place) at = at instanceof Map ? at.get(key) : undefined;
      return typeof at === 'string' && plain.test(at) ? at : undefined;
    },
  };
}

function nothing(fault: string): Versions {
  return { fault, textAt: () => undefined };
}
