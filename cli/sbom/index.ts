export { type Collected, collectSources } from './collect.ts';
export { type Notice, sourcesOf } from './notices.ts';
export { noticeFiles, payloadSbom, type SbomRequest } from './payload.ts';
export { licencePlace, sbomPlace } from './places.ts';
export { releaseNotices } from './release.ts';
export { type SpdxInput, spdxDocument, spdxText, spdxVersions } from './spdx.ts';
export { readVersions, versionsName } from './versions.ts';
