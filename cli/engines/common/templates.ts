import { placeholderIn, type TomlDocument } from '../../documents/toml/index.ts';
import { KataError } from '../../errors/index.ts';
import type { HostPath } from '../../host/types.ts';

/** Throws engine-config-invalid for a template that is TOML, because all its places are in texts: an engine would take them as they are. */
export function refuseTemplates(files: readonly { path: HostPath; doc: TomlDocument }[]): void {
  for (const { path, doc } of files) {
    const place = placeholderIn(doc);
    if (place !== undefined) throw templateAt(path, place);
  }
}

export function templateAt(path: HostPath, place: string): KataError {
  return new KataError('engine-config-invalid', {
    subject: path,
    found: `${path}, ${place}, has a place of a template that no program has filled in.`,
    needed: 'The configuration that is made from the template.',
    next: `Render ${path} first.`,
  });
}
