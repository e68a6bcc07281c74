export { readDocument, refuseConflicts, refuseExpired, refuseOlder } from './added.ts';
export { type Catalogue, type Document, ownCatalogue } from './catalogue.ts';
export { refuseUnfitMirror } from './mirror.ts';
export { archivesOf, namedRelease } from './named.ts';
export { type AddedCatalogue, addedCatalogues, catalogueFor, provenDigests } from './stored.ts';
export { catalogueOf, ownName } from './word.ts';
