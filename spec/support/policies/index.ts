import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Policy } from '../../../cli/selinux/index.ts';

/**
 * debian: selinux-policy-default 2.20250213 as it is. debian-with-module: with examples/selinux/kata-reference.cil. fedora: the targeted
 * policy of October 2024 with container-selinux of July 2026. Compiled, and recorded by record.ts.
 */
export type RecordedPolicy = 'debian' | 'debian-with-module' | 'fedora';

/** A policy of real answers. What was not recorded throws, so that no spec passes by a question that nobody asked of the real one. */
export function recordedPolicy(name: RecordedPolicy, permissive: string[] = []): Policy {
  const lines = readFileSync(join(import.meta.dirname, `${name}.txt`), 'utf8').split('\n');
  const answers = new Map(
    lines.map((line) => line.split(' = ') as [string, string | undefined]).map(([asked, told]) => [asked, told ?? '']),
  );
  const told = (asked: string): string => {
    const answer = answers.get(asked);
    if (answer === undefined) throw new Error(`not recorded in ${name}: ${asked}`);
    return answer;
  };
  const words = (text: string): Set<string> => new Set(text.split(' ').filter((word) => word !== ''));
  return {
    access: async (source, target, className) => {
      if (!answers.has(`known ${className}`)) return undefined;
      const [flag, ...allowed] = told(`access ${source} ${target} ${className}`).split(' ');
      const isPermissive = flag === '1' || permissive.includes(source.split(':')[2]!);
      return { allowed: new Set(allowed), known: words(told(`known ${className}`)), permissive: isPermissive };
    },
    create: async (source, target, className) => told(`create ${source} ${target} ${className}`),
    hasType: async (type) => told(`type ${type}`) === '1',
    deniesUnknown: async () => false,
  };
}
