import { rowMatcher } from './glob.ts';
import { type Architecture, componentTable, type HandlerRow, handlerRow, handlerTable } from './tables.ts';

const always = ['VERSION', 'versions.yaml'];
const defaultsFolder = 'share/defaults/';

const components = Object.entries(componentTable).map(([name, row]) => ({ name, fits: rowMatcher(row.globs, row.except) }));

/**
 * Which files of a release are written while it streams by: a superset of what `layOut` keeps in the end.
 *
 * A configuration may come after the images that it names, so the choice is by component; a file that no component claims is kept
 * too, because a configuration that is not upstream's may name it. All configurations are kept: they tell what else the bundle could
 * serve, and are small. Without `handlers` the candidates for the release's default are kept: which one it is shows only later.
 * Throws `handler-unknown`.
 */
export function keepFor(handlers: string[] | undefined, arch: Architecture): (path: string) => boolean {
  const rows = (handlers ?? handlerTable.defaults.candidates).map(handlerRow);
  const wanted = new Set(rows.flatMap((row) => componentsOf(row, arch)));
  const shims = new Set(rows.map((row) => row.shim));
  return (path) => {
    if (path.startsWith(defaultsFolder) || always.includes(path) || shims.has(path)) return true;
    const claims = components.filter((component) => component.fits(path));
    return claims.length === 0 || claims.some((component) => wanted.has(component.name));
  };
}

function componentsOf(row: HandlerRow, arch: Architecture): string[] {
  return [...(row.components[arch] ?? []), ...(row.named?.[arch] ?? [])];
}
