import type { ChangeOptions } from '../changes/types.ts';
import type { Call } from './types.ts';

/** The options that every changing verb has. */
export function changeOptionsOf({ options }: Call): ChangeOptions {
  const engine = text(options['engine']);
  return {
    dryRun: options['dry-run'] === true,
    waitSeconds: Number(options['wait'] ?? 0),
    allow: list(options['allow']),
    ...(engine === undefined ? {} : { engine }),
  };
}

export function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

export function list(value: unknown): string[] {
  return Array.isArray(value) ? value.map(String) : [];
}
