export { labelled, rootContext } from './contents.ts';
export { describeImage, digestsOf, type Image, readImage } from './describe.ts';
export { imageFindings, makerFindings } from './findings.ts';
export { formatNames, formatRow, imageFormatNames, isFormat } from './formats.ts';
export { isOlder, type Recipe, recipeFor } from './recipe.ts';
export { requireSane } from './sane.ts';
export { damaged, imageSchema, readTrailer, trailerOf } from './trailer.ts';
export { tryImage } from './trial.ts';
export type { Format, ImageFormat, ImageManifest, Labelled } from './types.ts';
