import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { firstBootPages } from '../../scripts/docs.ts';
import { shownFile } from '../../scripts/pages/firstBoot.ts';
import { tinyRelease } from '../lab/release/index.ts';
import { removeAfter } from '../support/endings.ts';
import { program, repo, run } from '../support/program.ts';
import { scratch } from '../support/trees/treeHost.ts';

const command = /^kata-sysext generate (?<kind>\w+) (?:.*\\\n)*.*$/gm;
const kinds: Record<string, string> = { renderedbutane: 'butane', bakedcontainerfile: 'containerfile' };

interface Shown {
  /** The words of the last command before the mark that makes this kind of output. */
  words: string[];
  file: string;
  text: string;
}

/** What a page shows of files, each with the command of the page that makes it. */
function shownIn(page: string): Shown[] {
  return [...page.matchAll(shownFile)].map(({ index, groups }) => {
    const kind = kinds[groups!['kind']!] ?? groups!['kind'];
    const before = [...page.slice(0, index).matchAll(command)].findLast((each) => each.groups!['kind'] === kind);
    assert.ok(before, `no command before ${groups!['file']} makes ${kind}`);
    const words = before[0].replaceAll('\\\n', ' ').split(/\s+/).slice(1);
    const example = groups!['example'];
    const text = example === undefined ? groups!['text']! : readFileSync(join(repo, example), 'utf8');
    if (example !== undefined) assert.ok(page.includes(`(../../${example})`), `no link to ${example}`);
    return { words, file: groups!['file']!, text };
  });
}

/** The digests and the sizes of a page are made up, and so is what is named by one. Files in data URLs are read as well. */
function plain(text: string): string {
  return text
    .replace(/(?<=data:[^",]*;base64,)[\w+/=]+/g, (data) => Buffer.from(data, 'base64').toString())
    .replace(/\b(?:[0-9a-f]{64}|[0-9a-f]{16})\b/g, 'HEX')
    .replace(/^( *(?:fetch HEX|fetch \S+ HEX \S+) )\d+$/gm, '$1SIZE')
    .replace(/\broom \d+/g, 'room SIZE')
    .replace(/^# \d+ of (?=\d+ bytes)/gm, '# N of ');
}

describe('the documents show of a first boot', function () {
  this.timeout(600_000);
  let folder: string;

  before(async function () {
    if (!existsSync('/usr/bin/zstd')) {
      console.log('      zstd is not on this machine: see .ci/packages.txt');
      this.skip();
    }
    folder = scratch('shown');
    copyFileSync(await tinyRelease(folder), join(folder, 'kata-static-4.1.0-amd64.tar.zst'));
    // Of a program for another architecture nothing is looked at but its head.
    const head = Buffer.alloc(64);
    head.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
    head.writeUInt16LE(process.arch === 'arm64' ? 62 : 183, 18);
    writeFileSync(join(folder, 'kata-sysext-linux-x64'), head);
    program();
  });
  removeAfter(() => folder);

  for (const page of firstBootPages) {
    for (const { words, file, text } of shownIn(readFileSync(join(repo, page), 'utf8'))) {
      it(`what the command beside it makes: ${page}, ${file} by ${words.slice(0, 2).join(' ')}`, async () => {
        const work = join(folder, 'work');
        rmSync(work, { recursive: true, force: true });
        mkdirSync(work);
        const inside = words.map((word) => (existsSync(join(folder, word)) ? join(folder, word) : word));

        const ran = await run(inside, { wrapper: ['env', '-C', work] });

        assert.equal(ran.status, 0, ran.stderr);
        const real = readFileSync(join(work, 'out', file), 'utf8');
        assert.equal(plain(text), plain(real));
      });
    }
  }
});
