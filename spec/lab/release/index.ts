export { marker } from './guest.ts';

export { FIRST, runcShimOf, type SampleRelease, SECOND, sampleRelease, writeArchive } from './sample.ts';
export { type Member, tarOf } from './tar.ts';
export { type Odd, type TinyOptions, tinyMembers, tinyRelease } from './tiny.ts';
export { releaseTomls } from './toml.ts';
