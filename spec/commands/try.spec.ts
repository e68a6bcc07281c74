import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { repo } from '../support/program.ts';

const sample = /```sh\nnpm ci && npm start\n```\n\n.*\n\n```\n(?<shown>[^`]*)```\n/;

/** How much was written, how long it took, and what of a line fits behind that, differ from run to run. */
function timeless(text: string): string {
  return text.replace(/ · \d+(\.\d+)? (s|…).*$/gm, ' …').replace(/\b\d+(\.\d+)? k?B\b.*$/gm, 'N B …');
}

describe('npm start', function () {
  this.timeout(300_000);

  it('tells its story in 25 lines of 80 columns, with what npm prints before it, as README shows it', () => {
    const readme = readFileSync(join(repo, 'README.md'), 'utf8');

    const { status, stdout, stderr } = spawnSync('npm', ['start'], { cwd: repo, encoding: 'utf8' });

    const lines = stdout.replace(/\n$/, '').split('\n');
    assert.equal(status, 0, stderr);
    assert.ok(lines.length <= 25, `${lines.length} lines:\n${stdout}`);
    assert.deepEqual(
      lines.filter((line) => [...line].length > 80),
      [],
    );
    const story = lines.slice(lines.findIndex((line) => line.startsWith('A throw-away host')));
    assert.equal(timeless(sample.exec(readme)!.groups!['shown']!), timeless(`${story.join('\n')}\n`));
  });
});
