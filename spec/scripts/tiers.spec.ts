import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { groups, leftBy, nextTier, specFiles, tierOf, tiers } from '../../scripts/tiers.ts';
import { repo } from '../support/program.ts';

const names = tiers.map(({ name }) => name);

describe('the tiers', () => {
  it('have every spec file once, and a file of a new folder is one of the unit tier', () => {
    const files = specFiles(repo);

    const owners = files.map((file) => tiers.filter(({ folder }) => folder !== undefined && file.startsWith(`${folder}/`)).length);
    assert.ok(files.length > 150, `${files.length} files`);
    assert.deepEqual([...new Set(owners)].sort(), [0, 1]);
    assert.deepEqual(['spec/new/folder/some.spec.ts', 'spec/some.spec.ts', 'spec/treeOf/some.spec.ts'].map(tierOf), [
      'unit',
      'unit',
      'unit',
    ]);
    assert.deepEqual(['spec/e2e/round.spec.ts', 'spec/boot/guard/guard.spec.ts'].map(tierOf), ['nspawn', 'boot']);
    for (const name of names)
      assert.ok(
        files.some((file) => tierOf(file) === name),
        `the tier ${name} has no spec`,
      );
  });

  it('run each file in one of any sixteen runs in a row, at least, and name no file that is not there', () => {
    const files = specFiles(repo);

    for (const { name, turns } of tiers) {
      const own = files.filter((file) => tierOf(file) === name);
      const listed = turns?.flat() ?? [];
      assert.deepEqual(
        listed.filter((file) => !own.includes(file)),
        [],
      );
      assert.equal(groups % (turns?.length ?? 1), 0);
      for (const group of turns ?? []) assert.equal(new Set(group).size, group.length);
      for (const first of [0, 1, 2, 3, 999_999_996, 999_999_999]) {
        const run = [...Array(groups).keys()].flatMap((more) => own.filter((file) => !leftBy(turns, first + more).includes(file)));
        assert.deepEqual([...new Set(run)].sort(), own);
      }
    }
  });

  it('have an emulated machine, a cluster or a fresh machine in a run, and not two of them', () => {
    const long = ['vm', 'cluster', 'fresh'].map((name) => tiers.find((tier) => tier.name === name)!.turns!);

    for (let group = 0; group < groups; group++) assert.equal(long.filter((turns) => turns[group]!.length > 0).length, 1, `group ${group}`);
  });

  it('have what they prepare in a file', () => {
    const files = tiers.flatMap(({ prepare }) => prepare ?? []);

    assert.deepEqual(
      files.filter((file) => !existsSync(join(repo, file))),
      [],
    );
  });

  it('run five beside each other, two at most of those that boot hosts, each once, an unknown one last', () => {
    const boots = tiers.filter(({ bootsHosts }) => bootsHosts === true).map(({ name }) => name);
    const begun: string[] = [];
    const waiting = new Set([...names, 'new']);
    let running: string[] = [];
    for (;;) {
      const name = nextTier([...waiting], running);
      if (name === undefined && running.length === 0) break;
      if (name === undefined) running = running.slice(1);
      else {
        begun.push(name);
        waiting.delete(name);
        running = [...running, name];
      }
      assert.ok(running.length <= 5 && running.filter((each) => boots.includes(each)).length <= 2, running.join(' '));
    }

    assert.deepEqual([...begun].sort(), [...names, 'new'].sort());
    assert.deepEqual([nextTier(['new', 'single'], []), nextTier(['new'], [])], ['single', 'new']);
    assert.deepEqual(boots, ['nspawn', 'merged', 'boot', 'cluster']);
    assert.equal(nextTier(['merged', 'single'], ['nspawn', 'boot']), 'single');
    assert.equal(nextTier(['merged'], ['nspawn', 'boot']), undefined);
  });

  it('need programs of packages that .ci/packages.txt names', () => {
    const text = readFileSync(join(repo, '.ci/packages.txt'), 'utf8');

    for (const name of ['mmdebstrap', 'systemd-container', 'zstd', 'strace', 'attr', 'containerd', 'util-linux', 'git'])
      assert.match(text, new RegExp(`^${name}( |$)`, 'm'));
  });
});
