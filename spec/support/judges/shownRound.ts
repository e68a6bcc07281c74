import { makeCorpus } from './shownCorpus.ts';

// A process of its own: where mocha loads the program's parts, those that it imports later are others, and know no error of the first ones.
process.stdout.write(JSON.stringify(await makeCorpus()));
