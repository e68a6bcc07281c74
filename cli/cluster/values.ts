/** Readers of what an API server answered: whatever is not as it should be is not there. */

export function tableAt(value: unknown, ...keys: string[]): Record<string, unknown> | undefined {
  const found = at(value, keys);
  return typeof found === 'object' && found !== null && !Array.isArray(found) ? (found as Record<string, unknown>) : undefined;
}

export function listAt(value: unknown, ...keys: string[]): unknown[] {
  const found = at(value, keys);
  return Array.isArray(found) ? found : [];
}

export function textAt(value: unknown, ...keys: string[]): string | undefined {
  const found = at(value, keys);
  return typeof found === 'string' ? found : undefined;
}

export function numberAt(value: unknown, ...keys: string[]): number | undefined {
  const found = at(value, keys);
  return typeof found === 'number' && Number.isSafeInteger(found) && found >= 0 ? found : undefined;
}

function at(value: unknown, keys: string[]): unknown {
  let found = value;
  for (const key of keys) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = (found as Record<string, unknown>)[key];
  }
  return found;
}
