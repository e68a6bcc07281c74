import type { ImageManifest } from './types.ts';

type Shape = 'string' | 'number' | 'texts' | { [key: string]: Shape } | [Shape];

/** What has to be there for the rest of the program to read it; optional fields are left to who reads them. */
const shape: Record<Exclude<keyof ImageManifest, 'schema'>, Shape> = {
  format: 'string',
  payload: 'string',
  architecture: 'string',
  release: 'string',
  sources: [{ name: 'string', digest: 'string', sizeBytes: 'number' }],
  handlers: [
    {
      name: 'string',
      release: 'string',
      family: 'string',
      hypervisor: 'string',
      shim: 'string',
      configuration: 'string',
      files: ['string'],
    },
  ],
  defaultHandler: 'string',
  available: ['string'],
  savedBytes: 'number',
  extensionRelease: 'string',
  contents: [{ path: 'string', kind: 'string', mode: 'number', context: 'string' }],
  texts: 'texts',
  epoch: 'number',
  tool: 'string',
  program: 'string',
  filesystem: { sizeBytes: 'number', digest: 'string' },
};

/** Where a manifest, whoever wrote it, has something else than what belongs there; undefined where it is whole. */
export function misshapen(manifest: object): string | undefined {
  return wrongAt(manifest, shape, '');
}

function wrongAt(value: unknown, wanted: Shape, at: string): string | undefined {
  if (wanted === 'number') return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? undefined : at;
  if (wanted === 'string') return typeof value === 'string' ? undefined : at;
  if (typeof value !== 'object' || value === null || Array.isArray(value) !== Array.isArray(wanted)) return at;
  const inside = (key: string) => (at === '' ? key : `${at}.${key}`);
  const parts: [key: string, part: unknown, wanted: Shape][] =
    wanted === 'texts'
      ? Object.entries(value).map(([key, part]) => [key, part, 'string'])
      : Array.isArray(wanted)
        ? Object.entries(value).map(([key, part]) => [key, part, wanted[0]])
        : Object.entries(wanted).map(([key, each]) => [key, (value as Record<string, unknown>)[key], each]);
  for (const [key, part, each] of parts) {
    const wrong = wrongAt(part, each, inside(key));
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}
