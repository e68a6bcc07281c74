import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * Runs Biome's own binary with the given arguments. Its package `@biomejs/biome` names ten platform packages, and a lock file that knows only
 * those of some mirrors makes `npm ci` fail; so the two platforms that we work on are named directly, as optional dependencies.
 */
const binary = fileURLToPath(new URL(`../node_modules/@biomejs/cli-linux-${process.arch}/biome`, import.meta.url));
const { status, error } = spawnSync(binary, process.argv.slice(2), { stdio: 'inherit' });
if (error !== undefined) throw error;
process.exit(status ?? 1);
