import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** `npx mocha` loads this first: specs that are run by hand leave nothing in the temporary folder of the machine either. */
const folder = mkdtempSync(join(tmpdir(), 'kata-sysext-mocha-'));
// Some specs run the program as another user.
chmodSync(folder, 0o711);
process.env['TMPDIR'] = folder;
// No mount is followed: a spec that failed may have left one.
process.on('exit', () => spawnSync('rm', ['-rf', '--one-file-system', folder]));
