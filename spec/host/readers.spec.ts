import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repo } from '../support/program.ts';

/** Who opens files for reading by itself, and why nothing hostile is there. Everything else goes through cli/host/regular.ts. */
const readers: Record<string, string> = {
  'cli/assets/reader.ts': 'files of the program itself',
  'cli/bundle/folder.ts': 'opens without waiting, looks whether it is a file of the size that was seen, and stops behind it',
  'cli/operations/build.ts': 'syncs the folder that it made',
  'cli/commands/detached.ts': 'what its own unit writes below /run/kata-sysext, a folder of root alone',
  'cli/commands/verbs/report.ts': 'makes a file that was not there',
  'cli/host/held.ts': 'folders, by O_PATH',
  'cli/host/lock.ts': 'the lock file: no link, no pipe, one name',
  'cli/host/lockHolder.ts': 'the lock file: looks whether it is a file, opens without waiting and reads 4 kB',
  'cli/download/cache.ts': 'creates the file of a download, never through a link; each use proves the digest',
  'cli/host/newFile.ts': 'makes a file that was not there',
  'cli/host/regular.ts': 'the reader itself',
  'cli/host/runWatched.ts': 'a folder that it made',
  'cli/host/writes.ts': 'files that it made, and the log of a spec',
  'cli/rendering/edits.ts': 'a tree in a temporary folder that it made',
  'cli/selinux/kernelPolicy.ts': 'transactions of selinuxfs, by the magic number of its file system: written and read on one descriptor',
  'cli/store/payload/components.ts': 'makes files that were not there',
  'cli/store/payload/image.ts': 'an image in the staging folder that it made',
  'cli/store/payload/imageFile.ts': 'makes a file that was not there',
  'cli/store/payload/unpacked.ts': 'files in the staging folder that it made',
};

const opens = /\b(?:readFile|readFileSync|open|openSync|createReadStream|appendFile)\b/;
const imports = /^import (?:type )?\{?([^}]*?)\}? from '(?:node:fs|node:fs\/promises|fs-extra)';$/gms;

describe('foreign files are opened at one place', () => {
  it('and whoever opens files by itself is named with its reason', () => {
    const files = readdirSync(join(repo, 'cli'), { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.ts'));

    const found = files
      .map((name) => `cli/${name}`)
      .filter((path) => [...readFileSync(join(repo, path), 'utf8').matchAll(imports)].some(([, names]) => opens.test(names!)));

    assert.deepEqual(found.sort(), Object.keys(readers).sort());
  });
});
