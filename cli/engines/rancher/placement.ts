import { posix } from 'node:path';
import type { HostPath, HostView } from '../../host/types.ts';
import { atLeast, parseVersion } from '../common/version.ts';
import type { Instance } from '../types.ts';
import { type ConfigSet, matchesName, patternFolder } from './containerd.ts';
import type { Inputs, Template } from './inputs.ts';
import { templatePath } from './rendered.ts';
import type { Schema } from './types.ts';

const dropInName = 'kata-sysext.toml';

/** Where tables of a schema go. */
export type Place =
  /** A file that containerd reads beside the rendered one. */
  | { kind: 'drop-in'; path: HostPath; schema: number }
  /** The end of the administrator's template. */
  | { kind: 'range'; template: Template; schema: Schema }
  /** A template that kata-sysext makes: the base, and the tables. */
  | { kind: 'template'; path: HostPath; schema: Schema };

/**
 * The folder that the rendered configuration imports, in its schema; else the templates. Where there is none, one is made for each schema that
 * the program may take at its next start: the older one is not read any more once it carries containerd 2.
 */
export async function placesFor(host: HostView, instance: Instance, inputs: Inputs): Promise<Place[]> {
  const version = parseVersion(instance.version);
  const isNew = version === undefined ? undefined : atLeast(version, 2, 0);
  const rendered = inputs.isOlder ? undefined : inputs.rendered;
  if (rendered !== undefined && (isNew ?? rendered.schema === 3)) {
    const folder = importedFolder(inputs.set);
    if (folder !== undefined)
      return [{ kind: 'drop-in', path: posix.join(await host.realpath(folder), dropInName), schema: inputs.set.schema ?? rendered.schema }];
  }
  const folder = await host.realpath(inputs.folder);
  const [v3, v2] = ([3, 2] as const).map((schema) => inputs.templates.find((each) => each.schema === schema));
  const inPlace = (template: Template): Place => ({ kind: 'range', template, schema: template.schema });
  const made = (schema: Schema): Place => ({ kind: 'template', path: templatePath(folder, schema), schema });
  const next: Schema = rendered?.schema ?? (isNew === true && (v3 !== undefined || v2 === undefined) ? 3 : 2);
  if (next === 3) return [v3 === undefined ? made(3) : inPlace(v3)];
  if (v2 !== undefined) return v3 === undefined ? [inPlace(v2)] : [inPlace(v2), inPlace(v3)];
  // The template of schema 3 goes first: the plan's key is that of its last place.
  return [v3 === undefined ? made(3) : inPlace(v3), made(2)];
}

/** A folder that the rendered file itself imports whole, as both programs write it. */
function importedFolder({ files, patterns }: ConfigSet): HostPath | undefined {
  const [main] = files;
  const written = patterns.find((pattern) => {
    const folder = patternFolder(pattern);
    return (
      main?.imports.includes(pattern) === true && folder?.endsWith('.toml.d') === true && matchesName(posix.basename(pattern), dropInName)
    );
  });
  return written === undefined ? undefined : patternFolder(written);
}
