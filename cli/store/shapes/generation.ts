import { exactOptional, lazy } from 'valibot';
import {
  absolutePath,
  count,
  digest,
  listOf,
  mapOf,
  moment,
  oneOf,
  plainName,
  relativePath,
  type Shape,
  tableOf,
  text,
  valueLike,
} from '../../documents/shapes.ts';
import type { Format } from '../../images/types.ts';
import type { Setting } from '../../layout/types.ts';
import type { Choices, GenerationManifest } from '../types.ts';
import { sources, treeFolder } from './payload.ts';

const scalar = valueLike<Setting>('a text, a number, or true or false', (value) => ['string', 'number', 'boolean'].includes(typeof value));
const setting: Shape<Setting> = lazy((value) => (Array.isArray(value) ? listOf(setting) : scalar));

const choices: Shape<Choices> = tableOf({
  aliases: mapOf(plainName, plainName),
  profiles: mapOf(listOf(text), plainName),
  settings: mapOf(mapOf(setting), plainName),
});

export const generationManifest: Shape<GenerationManifest> = tableOf({
  schema: count,
  number: count,
  created: moment,
  program: text,
  release: text,
  sources,
  sourcePaths: exactOptional(listOf(absolutePath)),
  payload: digest,
  payloadFolder: treeFolder,
  folder: exactOptional(absolutePath),
  backend: oneOf('prefix', 'sysext', 'overlay', 'baked'),
  format: oneOf<Format>('directory', 'squashfs', 'erofs'),
  handlers: listOf(
    tableOf({
      name: plainName,
      release: text,
      family: oneOf('go', 'rust'),
      hypervisor: text,
      shim: relativePath,
      configuration: relativePath,
      protocol: exactOptional(count),
      shimDigest: digest,
      configurationDigest: digest,
    }),
  ),
  choices,
});
