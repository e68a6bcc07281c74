import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import type { Step } from '../../cli/backends/stepKinds.ts';
import type { FileStep } from '../../cli/steps/types.ts';
import { begin, undoStore } from '../../cli/transaction/journal.ts';
import { describe as inWords, kindOf, refuseUnknown, subjectOf } from '../../cli/transaction/stepKinds.ts';
import { listing } from '../support/judges/listing.ts';
import { type ChangeTree, changeTree, fileStep, intentOf, state } from '../support/trees/changeTree.ts';

const path = '/etc/engine.toml';
const runs = { numRuns: 12, endOnFailure: true };

/** A step that is applied and reverted, each twice, as an interrupted undo and a recover do. */
async function thereAndBack({ host, root }: ChangeTree, step: Step): Promise<{ before: string[]; places: string[]; after: string[] }> {
  const listed = () => listing(root, [`${state}`], { times: true });
  const before = listed();
  await begin(host, intentOf([step]));
  rmSync(join(root, 'etc/.kata-sysext-unfinished'));
  const [kind, store] = [kindOf(step), undoStore(host, 1, 0)];
  const found = JSON.parse(JSON.stringify(await kind.prepare(host, step, store))) as Record<string, unknown>;
  const places = [await kind.look(host, step, found)];
  for (const act of ['apply', 'apply', 'revert', 'revert'] as const) {
    await kind[act](host, step, found, store, () => undefined);
    places.push(await kind.look(host, step, found));
  }
  rmSync(join(root, state, 'journal'), { recursive: true });
  return { before, places, after: listed() };
}

describe('a step that is applied twice and reverted twice', () => {
  let tree: ChangeTree;
  beforeEach(() => {
    tree = changeTree();
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));

  /** What of the ways of a path changes with the moment: the time of the folder is not in the listing. */
  const wayBack = ['before', 'after', 'after', 'before', 'before'];

  it('pointer: what is no link is neither replaced nor taken for one whose target is words', async () => {
    const link = '/etc/wants';
    const step: Step = { kind: 'pointer', path: link, before: 'not a link', after: '../unit' };
    writeFileSync(join(tree.root, link), 'theirs\n');
    const { look, revert } = kindOf(step);

    const place = await look(tree.host, step, {});
    await revert(tree.host, step, {}, undoStore(tree.host, 1, 0));

    assert.equal(place, 'other');
    assert.equal(readFileSync(join(tree.root, link), 'utf8'), 'theirs\n');
  });

  it('file: leaves bytes, mode and time as they were, whatever the texts are', async () => {
    const text = fc.string({ unit: 'binary', maxLength: 200 });
    const mode = fc.constantFrom(0o600, 0o640, 0o644, 0o755);
    await fc.assert(
      fc.asyncProperty(fc.option(text, { nil: undefined }), fc.option(text, { nil: undefined }), mode, async (before, after, bits) => {
        fc.pre(before !== after && before !== '\uFEFF');
        const place = join(tree.root, path);
        rmSync(place, { force: true });
        if (before !== undefined) {
          writeFileSync(place, before);
          chmodSync(place, bits);
          utimesSync(place, 1_700_000_000, 1_700_000_000);
        }

        const seen = await thereAndBack(tree, fileStep(path, before, after));

        assert.deepEqual(seen.after, seen.before);
        assert.deepEqual(seen.places, wayBack);
      }),
      runs,
    );
  });

  it('pointer: leads where it led, or is gone again', async () => {
    const target = fc.constantFrom('absent', '/var/lib/kata-sysext/generations/1', '/var/lib/kata-sysext/generations/2', '../elsewhere');
    await fc.assert(
      fc.asyncProperty(target, target, fc.boolean(), async (before, after, apart) => {
        fc.pre(before !== after);
        rmSync(join(tree.root, 'etc/current'), { force: true });
        if (before !== 'absent') symlinkSync(before, join(tree.root, 'etc/current'));
        const temporary = apart ? { temporary: '/etc/.aside' } : {};

        const seen = await thereAndBack(tree, { kind: 'pointer', path: '/etc/current', before, after, ...temporary });

        assert.deepEqual(seen.after, seen.before);
        assert.deepEqual(seen.places, wayBack);
      }),
      runs,
    );
  });

  const folders: [what: string, prepare: () => void, place: string][] = [
    ['one that was there stays', () => mkdirSync(join(tree.root, 'etc/kata'), { mode: 0o700 }), 'before'],
    ['one that was made is gone', () => undefined, 'after'],
  ];
  for (const [what, prepare, place] of folders)
    it(`folder: ${what}`, async () => {
      prepare();

      const seen = await thereAndBack(tree, { kind: 'folder', path: '/etc/kata', mode: 0o755 });

      assert.deepEqual(seen.after, seen.before);
      assert.equal(seen.places[2], place);
    });

  for (const what of ['empty', 'with a file of another program', 'absent'] as const)
    it(`drop-folder: one that is ${what} is as it was`, async () => {
      if (what !== 'absent') mkdirSync(join(tree.root, 'etc/kata'), { mode: 0o750 });
      if (what === 'with a file of another program') writeFileSync(join(tree.root, 'etc/kata/theirs'), '');

      const seen = await thereAndBack(tree, { kind: 'drop-folder', path: '/etc/kata' });

      assert.deepEqual(seen.after, seen.before);
      assert.equal(seen.places[2], what === 'empty' ? 'after' : 'before');
    });
});

describe('a step of a file', () => {
  let tree: ChangeTree;
  const at = (name: string) => join(tree.root, name);
  const text = () => readFileSync(at(path), 'utf8');
  beforeEach(async () => {
    tree = changeTree();
    await begin(tree.host, intentOf([]));
  });
  afterEach(() => rmSync(tree.root, { recursive: true, force: true }));

  async function applied(step: FileStep) {
    const [kind, store] = [kindOf(step), undoStore(tree.host, 1, 0)];
    const found = await kind.prepare(tree.host, step, store);
    await kind.apply(tree.host, step, found, store, () => undefined);
    return { look: () => kind.look(tree.host, step, found), revert: () => kind.revert(tree.host, step, found, store) };
  }

  it('keeps mode and owner of a file that it edits, and gives a new one the mode that it names', async () => {
    writeFileSync(at(path), 'a\n');
    chmodSync(at(path), 0o640);

    await applied(fileStep(path, 'a\n', 'a\nb\n'));
    await applied(fileStep('/etc/new', undefined, 'x', { mode: 0o600 }));

    assert.equal(statSync(at(path)).mode & 0o7777, 0o640);
    assert.equal(statSync(at('/etc/new')).mode & 0o7777, 0o600);
    assert.ok(!existsSync(at(`${path}.temporary`)));
  });

  it('takes only its own text out of a file that another program edited meanwhile', async () => {
    const ours = '[a.kata]\nx = 1\n';
    writeFileSync(at(path), 'version = 2\n');
    const { look, revert } = await applied(fileStep(path, 'version = 2\n', `version = 2\n${ours}`, { ours: [ours] }));
    writeFileSync(at(path), `version = 2\n${ours}[theirs]\ny = 2\n`);
    const between = await look();

    await revert();

    assert.equal(between, 'other');
    assert.equal(text(), 'version = 2\n[theirs]\ny = 2\n');
  });

  it("leaves a file of kata-sysext's own alone where another program replaced it", async () => {
    const { look, revert } = await applied(fileStep('/etc/own', undefined, 'ours\n'));
    writeFileSync(at('/etc/own'), 'theirs\n');

    await revert();

    assert.equal(await look(), 'other');
    assert.equal(readFileSync(at('/etc/own'), 'utf8'), 'theirs\n');
  });

  const chosen = '/etc/chosen';
  const pairs: [what: string, step: FileStep, left: string | undefined][] = [
    ['made', fileStep(chosen, undefined, 'two\n', { ours: ['two\n', 'three\n'] }), undefined],
    ['replaced', fileStep(chosen, 'old\n', 'two\n', { foreign: false, ours: ['two\n', 'three\n'] }), 'old\n'],
    ['removed', fileStep(chosen, 'two\n', undefined, { foreign: false, ours: ['two\n', 'three\n'] }), 'three\n'],
  ];
  for (const [what, step, left] of pairs)
    it(`takes another text of kata-sysext, put in place meanwhile, for its own: a whole file that was ${what}`, async () => {
      const saved = what === 'made' ? undefined : what === 'replaced' ? 'old\n' : 'two\n';
      if (saved !== undefined) writeFileSync(at(chosen), saved);
      const { look, revert } = await applied(step);
      writeFileSync(at(chosen), 'three\n');

      await revert();

      assert.equal(await look(), 'before');
      assert.equal(existsSync(at(chosen)) ? readFileSync(at(chosen), 'utf8') : undefined, left);
    });

  it('does not take such a text for its own in a file of others', async () => {
    writeFileSync(at(path), 'a\n');
    const { look } = await applied(fileStep(path, 'a\n', 'two\n', { ours: ['two\n', 'three\n'] }));
    writeFileSync(at(path), 'three\n');

    assert.equal(await look(), 'other');
  });

  it('removes what a killed write left at its temporary name, but no folder there', async () => {
    writeFileSync(at(path), 'a\n');
    const { revert } = await applied(fileStep(path, 'a\n', 'b\n'));
    writeFileSync(at(`${path}.temporary`), 'half');
    await revert();
    mkdirSync(at(`${path}.temporary`));

    await kindOf(fileStep(path, 'a\n', 'b\n')).revert(tree.host, fileStep(path, 'a\n', 'b\n'), {}, undoStore(tree.host, 1, 0));

    assert.equal(text(), 'a\n');
    assert.ok(lstatSync(at(`${path}.temporary`)).isDirectory());
  });

  it('keeps its copy for the way back where only root may read it', async () => {
    writeFileSync(at(path), 'secret\n');
    chmodSync(at(path), 0o600);

    await applied(fileStep(path, 'secret\n', 'b\n'));

    const copy = at(`${state}/journal/1/undo-0.before`);
    assert.equal(readFileSync(copy, 'utf8'), 'secret\n');
    assert.equal(statSync(copy).mode & 0o777, 0o600);
    assert.equal(statSync(at(`${state}/journal`)).mode & 0o777, 0o700);
  });

  it('gives the folder its time back only where no other name came into it', async () => {
    const past = new Date(1_700_000_000_000);
    utimesSync(at('etc'), past, past);
    const alone = await applied(fileStep('/etc/own', undefined, 'ours\n'));
    await alone.revert();
    const timeAlone = statSync(at('etc')).mtimeMs;
    const shared = await applied(fileStep('/etc/own', undefined, 'ours\n'));
    writeFileSync(at('etc/theirs'), '');
    await shared.revert();

    assert.equal(timeAlone, past.getTime());
    assert.ok(statSync(at('etc')).mtimeMs > past.getTime());
  });
});

describe('what a step is called', () => {
  const steps: [step: Step, subject: string, words: RegExp][] = [
    [{ kind: 'folder', path: '/etc/a', mode: 0o755 }, '/etc/a', /^make the folder \/etc\/a$/],
    [{ kind: 'drop-folder', path: '/etc/a' }, '/etc/a', /^remove the folder \/etc\/a if it is empty$/],
    [fileStep('/etc/a', undefined, 'x'), '/etc/a', /^create \/etc\/a$/],
    [fileStep('/etc/a', 'x', 'y'), '/etc/a', /^edit \/etc\/a$/],
    [fileStep('/etc/a', 'x', undefined), '/etc/a', /^remove \/etc\/a$/],
    [{ kind: 'pointer', path: '/etc/p', before: 'absent', after: '/x' }, '/etc/p', /^point \/etc\/p at \/x$/],
    [{ kind: 'pointer', path: '/etc/p', before: '/x', after: 'absent' }, '/etc/p', /^remove \/etc\/p$/],
    [
      { kind: 'restart', unit: 'a.service', by: 'restart', asked: 'a.service', dependents: [], deadlineMs: 1 },
      'a.service',
      /^restart a\.service$/,
    ],
    [{ kind: 'modules', names: ['tun', 'vhost'], deadlineMs: 1 }, 'tun, vhost', /kernel modules tun, vhost/],
    [{ kind: 'layer', package: 'kata', deadlineMs: 1 }, 'kata', /layered package kata/],
  ];
  for (const [step, subject, words] of steps)
    it(`${step.kind}: ${subject}`, () => {
      assert.equal(subjectOf(step), subject);
      assert.match(inWords(step), words);
    });

  for (const kind of ['teleport', '__proto__', 'constructor', 'toString'])
    it(`a kind that this version does not know is refused before anything is taken back: ${kind}`, () => {
      const unknown = { kind } as unknown as Step;

      assert.throws(
        () => refuseUnknown('/x', [unknown]),
        (error: { code?: string }) => error.code === 'journal-newer',
      );
    });
});
