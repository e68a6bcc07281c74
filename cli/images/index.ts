export { labelled, rootContext } from './contents.ts';
export { describeImage, digestsOf, type Image, readImage } from './describe.ts';
export { imageFindings, makerFindings } from './findings.ts';
export { formatNames, formatRow, isFormat } from './formats.ts';
export { unlike } from './listing.ts';
export { type Recipe, recipeFor } from './recipe.ts';
export { damaged, imageSchema, readTrailer, requireSane, trailerOf } from './trailer.ts';
export { tryImage } from './trial.ts';
export type { Format, ImageFormat, ImageManifest } from './types.ts';
