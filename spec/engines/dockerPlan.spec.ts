import assert from 'node:assert/strict';
import { docker } from '../../cli/engines/docker/index.ts';
import type { Instance, Wiring } from '../../cli/engines/types.ts';
import { KataError } from '../../cli/errors/index.ts';
import { type EngineTree, handler, refusalOf, treesOfSpec } from '../support/trees/engineTree.ts';
import { dockerFiles, refusedFiles } from './dockerFiles.ts';

const path = '/etc/docker/daemon.json';
const wanted = [handler('kata-qemu'), handler('kata-clh')];
const offline: Instance = { engine: 'docker', version: '26.1.5', configPath: path, effect: { by: 'reload' } };
/** As a daemon that runs: its unit is not looked at, because the tree has none. */
const running: Instance = { ...offline, unit: 'docker.service', process: { pid: 1, startedMs: 0, binaryReplaced: false } };

type Table = Record<string, unknown>;

/** What kata-sysext is to add, written by hand. */
const added: Table = Object.fromEntries(
  wanted.map(({ name, shim, configuration }) => [name, { runtimeType: shim, options: { ConfigPath: configuration } }]),
);

function parsed(text: string): Table {
  const bare = text.replace(/^\ufeff/, '');
  return bare.trim() === '' ? {} : (JSON.parse(bare) as Table);
}

describe('wiring in daemon.json', () => {
  const treeOf = treesOfSpec();

  /** Adds, adds again, takes out: the judge is JSON.parse and the bytes. */
  async function roundTrip(text: string | undefined, instance: Instance): Promise<{ wired: string; tree: EngineTree; wiring: Wiring }> {
    const tree = await treeOf(text === undefined ? {} : { [path]: text });
    const before = tree.everything();
    const first = await docker.plan(tree.host, instance, wanted);
    await tree.apply(first);
    const wired = await tree.read(path);
    const again = await docker.plan(tree.host, instance, wanted, first.wiring);
    const back = await docker.plan(tree.host, instance, [], first.wiring);
    await tree.apply(back);
    assert.deepEqual(again.changes, [], `twice: ${text}`);
    assert.deepEqual(tree.everything(), before, `back: ${text}\n${wired}`);
    return { wired, tree, wiring: first.wiring! };
  }

  function judge(text: string, wired: string): void {
    const [before, after] = [parsed(text), parsed(wired)];
    assert.deepEqual(after, { ...before, runtimes: { ...(before['runtimes'] as Table), ...added } }, wired);
    // Nothing of others went or moved: what came is one range.
    const at = [...text].findIndex((char, index) => char !== [...wired][index]);
    const head = at < 0 ? text : [...text].slice(0, at).join('');
    assert.ok(wired.startsWith(head) && wired.length > text.length, wired);
    const inner = [...Array(wired.length - text.length + 1).keys()];
    const length = wired.length - text.length;
    assert.ok(
      inner.length > 0 && [...Array(text.length + 1).keys()].some((from) => wired.slice(0, from) + wired.slice(from + length) === text),
      wired,
    );
  }

  for (const [name, text] of Object.entries(dockerFiles)) {
    it(`keeps every byte and comes back: ${name}`, async () => {
      const { wired } = await roundTrip(text, offline);
      const live = await roundTrip(text, running);

      judge(text, wired);
      assert.equal(live.wired, wired);
    });
  }

  it('makes the file where there is none, and takes it away with its folder', async () => {
    const { wired } = await roundTrip(undefined, offline);

    assert.deepEqual(parsed(wired), { runtimes: added });
    assert.ok(wired.endsWith('}\n'));
  });

  for (const [name, { text, where }] of Object.entries(refusedFiles)) {
    it(`refuses, and says where: ${name}`, async () => {
      const tree = await treeOf({ [path]: text });
      const before = tree.everything();

      const error = await docker.plan(tree.host, offline, wanted).then(
        () => undefined,
        (thrown: unknown) => thrown,
      );

      assert.ok(error instanceof KataError && error.code === 'engine-config-invalid', String(error));
      assert.match(error.complaint.found, where);
      assert.deepEqual(tree.everything(), before);
    });
  }

  describe('edits in between', () => {
    const text = dockerFiles['two spaces']!;

    /** Wires, lets another program edit, and takes out. */
    async function leftAfter(edit: (wired: string) => string, start = text): Promise<{ left: string | undefined; levels: string[] }> {
      const tree = await treeOf(start === 'absent' ? {} : { [path]: start });
      const { wiring, ...first } = await docker.plan(tree.host, offline, wanted);
      await tree.apply(first);
      await tree.write(path, edit(await tree.read(path)));
      const back = await docker.plan(tree.host, offline, [], wiring);
      await tree.apply(back);
      return {
        left: await tree.read(path).catch(() => undefined),
        levels: back.findings.map(({ code, level }) => `${code} ${level}`),
      };
    }

    it('a key before and one behind stay', async () => {
      const { left, levels } = await leftAfter((wired) =>
        wired.replace('{\n', '{\n  "debug": true,\n').replace(/\n}\n$/, ',\n  "ipv6": false\n}\n'),
      );

      assert.equal(left, text.replace('{\n', '{\n  "debug": true,\n').replace(/\n}\n$/, ',\n  "ipv6": false\n}\n'));
      assert.deepEqual(levels, []);
    });

    it('what others added behind the only key keeps no comma of it', async () => {
      const { left } = await leftAfter((wired) => wired.replace(/\n}$/, ',\n  "ipv6": false\n}'), '{}');

      assert.deepEqual(parsed(left!), { ipv6: false });
    });

    it('a handler that others put between stays, and so does its object', async () => {
      const { left } = await leftAfter((wired) => {
        const value = parsed(wired);
        return JSON.stringify({ ...value, runtimes: { crun: { path: '/usr/bin/crun' }, ...(value['runtimes'] as Table) } });
      });

      assert.deepEqual(parsed(left!), { ...parsed(text), runtimes: { crun: { path: '/usr/bin/crun' } } });
    });

    for (const [how, edit] of Object.entries({
      'written in one line': (value: Table) => JSON.stringify(value),
      'written with tabs': (value: Table) => JSON.stringify(value, null, '\t'),
      'keys sorted': (value: Table) => JSON.stringify(Object.fromEntries(Object.entries(value).sort()), null, 4),
    })) {
      it(`a file ${how} is known by its values: none of kata-sysext stays, and the next plan repairs it`, async () => {
        const tree = await treeOf({ [path]: text });
        const first = await docker.plan(tree.host, offline, wanted);
        await tree.apply(first);
        await tree.write(path, edit(parsed(await tree.read(path))));
        const repair = await docker.plan(tree.host, offline, wanted, first.wiring);
        await tree.apply(repair);
        const repaired = await tree.read(path);
        await tree.apply(await docker.plan(tree.host, offline, [], repair.wiring));
        const { left, levels } = await leftAfter((wired) => edit(parsed(wired)));

        assert.deepEqual(
          repair.findings.map(({ code, level }) => `${code} ${level}`),
          ['drift-found info'],
        );
        assert.deepEqual(parsed(repaired), { ...parsed(text), runtimes: added });
        assert.ok(repaired.includes(repair.wiring!.marks[0]!.text));
        assert.equal(await tree.read(path), left);
        assert.deepEqual(parsed(left!), parsed(text));
        assert.deepEqual(levels, ['drift-found info']);
      });
    }

    it('a file that kata-sysext made, and that others wrote more into, stays with that', async () => {
      const [more, same] = [
        await leftAfter((wired) => JSON.stringify({ ...parsed(wired), debug: true }), 'absent'),
        await leftAfter((wired) => JSON.stringify(parsed(wired)), 'absent'),
      ];

      assert.deepEqual(parsed(more.left!), { debug: true });
      assert.equal(same.left, undefined);
    });

    it('a handler with another value stays and is reported; nothing is written over it', async () => {
      const tree = await treeOf({ [path]: text });
      const first = await docker.plan(tree.host, offline, wanted);
      await tree.apply(first);
      const edited = (await tree.read(path)).replace('/config/kata-clh/configuration.toml', '/config/other.toml');
      await tree.write(path, edited);

      const code = await refusalOf(docker.plan(tree.host, offline, wanted, first.wiring));
      const back = await docker.plan(tree.host, offline, [], first.wiring);
      await tree.apply(back);

      assert.equal(code, 'foreign-edit');
      assert.deepEqual(
        back.findings.map(({ code: each, level }) => `${each} ${level}`),
        ['foreign-edit warning'],
      );
      assert.deepEqual(Object.keys(parsed(await tree.read(path))['runtimes'] as Table), ['kata-clh']);
    });

    it('the text goes by its bytes from a file that is no JSON any more', async () => {
      const { left } = await leftAfter((wired) => wired.replace('{\n', '{ broken\n'));

      assert.equal(left, text.replace('{\n', '{ broken\n'));
    });
  });

  describe('a handler that others made the default one', () => {
    const named = (wired: string) => wired.replace('{\n', '{\n  "default-runtime": "kata-qemu",\n');

    async function withDefault(): Promise<{ tree: EngineTree; recorded: Wiring; text: string }> {
      const tree = await treeOf({ [path]: dockerFiles['two spaces']! });
      const first = await docker.plan(tree.host, offline, wanted);
      await tree.apply(first);
      await tree.write(path, named(await tree.read(path)));
      return { tree, recorded: first.wiring!, text: await tree.read(path) };
    }

    it('is not removed, alone or with all: dockerd would not start; the words say what to do first', async () => {
      const { tree, recorded } = await withDefault();

      const codes = await Promise.all(
        [[], [handler('kata-clh')]].map((left) => refusalOf(docker.plan(tree.host, running, left, recorded))),
      );
      const [error, down] = await Promise.all(
        [running, { ...offline, unit: running.unit! }].map((instance) =>
          docker.plan(tree.host, instance, [], recorded).catch((thrown: KataError) => thrown),
        ),
      );

      assert.deepEqual(codes, ['handler-is-default', 'handler-is-default']);
      assert.ok(error instanceof KataError);
      assert.match(error.complaint.next, /Set "default-runtime": "runc" in daemon.json; systemctl reload docker.service; then run/);
      assert.ok(down instanceof KataError);
      assert.match(down.complaint.next, /Set "default-runtime": "runc" in daemon.json; then run/);
    });

    it('is no obstacle to a change that keeps it, and none once the file names another', async () => {
      const { tree, recorded, text } = await withDefault();

      const moved = { ...handler('kata-qemu'), configuration: '/config/new.toml' };
      const kept = await docker.plan(tree.host, running, [moved], recorded);
      await tree.write(path, text.replace('"default-runtime": "kata-qemu"', '"default-runtime": "runc"'));
      await tree.apply(await docker.plan(tree.host, running, [], recorded));

      const { after } = kept.changes[0]!;
      assert.ok(after !== 'absent');
      assert.deepEqual(Object.keys(parsed(after.text)['runtimes'] as Table), ['kata-qemu']);
      assert.deepEqual(parsed(await tree.read(path)), { ...parsed(dockerFiles['two spaces']!), 'default-runtime': 'runc' });
    });

    it('stays at a boot, where nothing can be asked, so that dockerd starts', async () => {
      const { tree, recorded } = await withDefault();

      const plan = await docker.plan({ ...tree.host, booted: true, live: false }, offline, [], recorded);

      assert.deepEqual(plan.changes, []);
      assert.deepEqual(
        plan.findings.map(({ code, level }) => `${code} ${level}`),
        ['handler-is-default warning'],
      );
    });
  });

  describe('a daemon that runs', () => {
    it('gets the key in two edits, and loses it in two, with an empty object in between', async () => {
      const tree = await treeOf({ [path]: '{}\n' });

      const coming = await docker.plan(tree.host, running, wanted);
      await tree.apply(coming);
      const going = await docker.plan(tree.host, running, [], coming.wiring);

      const texts = [...coming.changes, ...going.changes].map(({ after, settles }) => [
        settles,
        after === 'absent' ? after : Object.keys((parsed(after.text)['runtimes'] ?? { none: 1 }) as Table),
      ]);
      assert.deepEqual(texts, [
        ['first', []],
        [undefined, ['kata-qemu', 'kata-clh']],
        [undefined, []],
        ['last', ['none']],
      ]);
      assert.deepEqual(coming.changes[0]!.after, { text: '{\n  "runtimes": {}\n}\n' });
    });

    it('needs one edit where the key is there anyway', async () => {
      const tree = await treeOf({ [path]: dockerFiles['handlers of others']! });

      const coming = await docker.plan(tree.host, running, wanted);
      await tree.apply(coming);
      const going = await docker.plan(tree.host, running, [], coming.wiring);

      assert.deepEqual(
        [...coming.changes, ...going.changes].map(({ settles }) => settles),
        [undefined, undefined],
      );
    });
  });

  it('refuses versions before 26, and one that it does not know', async () => {
    const tree = await treeOf({});
    const at = async (version?: string) => {
      const { version: _, ...rest } = offline;
      return refusalOf(docker.plan(tree.host, { ...rest, ...(version === undefined ? {} : { version }) }, wanted));
    };

    const codes = [await at('20.10.24'), await at('25.0.3'), await at(), await at('26.0.0'), await at('29.1.0')];

    assert.deepEqual(codes, ['engine-unsupported', 'engine-unsupported', 'engine-unsupported', 'no error', 'no error']);
  });

  it('reads the command of the unit: another file, handlers as flags, no root', async () => {
    const unit = (start: string) => ({
      '/usr/bin/dockerd': '',
      '/usr/lib/systemd/system/docker.service': '[Service]\nExecStart=/usr/bin/dockerd -H fd://\n',
      '/etc/systemd/system/docker.service.d/10-mine.conf': `[Service]\nExecStart=\nExecStart=${start}\n`,
      '/usr/lib/systemd/system/docker.socket': '[Socket]\nListenStream=/run/other.sock\n',
    });
    const trees = await Promise.all(
      ['--config-file=/etc/mine.json -H fd://', '-H unix:///run/x.sock --add-runtime l=/bin/true', '--rootless'].map((flags) =>
        treeOf(unit(`/usr/bin/dockerd ${flags}`)),
      ),
    );

    const found = await Promise.all(trees.map(async ({ host }) => (await docker.detect(host, '26.1.5'))[0]!));
    const codes = await Promise.all(trees.map(({ host }, index) => refusalOf(docker.plan(host, found[index]!, wanted))));

    assert.deepEqual(
      found.map(({ configPath, socket }) => [configPath, socket]),
      [
        ['/etc/mine.json', '/run/other.sock'],
        [path, '/run/x.sock'],
        [path, '/run/other.sock'],
      ],
    );
    assert.deepEqual(codes, ['no error', 'engine-unsupported', 'engine-unsupported']);
  });
});
