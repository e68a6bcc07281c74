import assert from 'node:assert/strict';
import type { Wiring, WiringPlan } from '../../../cli/engines/types.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { engineFiles } from '../../support/engineFiles.ts';
import { brokenBytes } from '../../support/mutations/bytes.ts';
import { realFiles } from '../../support/mutations/corpus.ts';
import { changesOf, eachFile, eachRound, mutationCount, type Random } from '../../support/mutations/random.ts';
import { addedTo, isInsertion, strictToml, type Table } from '../../support/mutations/strictToml.ts';
import { mutatedToml } from '../../support/mutations/toml.ts';
import { loopMs, sample, seed } from '../../support/sample.ts';
import { type EngineTree, engineTree } from '../../support/trees/engineTree.ts';
import { main, newId, oldId, plan } from '../containerdPlans.ts';

const pattern = '/etc/containerd/kata-sysext*.toml';
const names = ['kata-qemu', 'kata-clh'];
const versions = [undefined, '1.6.20', '1.6.36', '1.7.24', '2.0.14', '2.1.9', '2.2.9', '2.3.4', '2.3.7', '2.4.2'];

/** Written by hand, as all that the judge compares with. */
function wantedTable(name: string, version: string | undefined): Table {
  const shim = '/etc/kata-sysext/current/payload/bin/containerd-shim-kata-v2';
  return {
    runtime_type: version === '1.6.20' ? shim : `io.containerd.${name}.v2`,
    runtime_path: shim,
    privileged_without_host_devices: true,
    pod_annotations: ['io.katacontainers.*'],
    container_annotations: ['io.katacontainers.*'],
    options: { ConfigPath: `/etc/kata-sysext/current/config/${name}/configuration.toml` },
  };
}

const others = [
  '',
  '[debug]\nlevel = "info"\n',
  'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "pause"\n',
  "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.crun]\nruntime_type = 'io.containerd.runc.v2'\n",
  'imports = ["/etc/containerd/conf.d/20-*.toml"]\n',
];

const corpus = [
  ...engineFiles('containerd').map(({ name, bytes }) => ({ name, text: bytes.toString() })),
  ...realFiles(['eks-nodeadm', 'k0s', 'k3s', 'rke2', 'microk8s'], /\.toml$/),
];

describe('engines/containerd: files that others changed', function () {
  this.timeout(loopMs);

  for (const { name, text } of corpus)
    it(`${name}: wired and taken back byte for byte, or refused and untouched`, async () => {
      for (const version of sample(versions, 2, name)) await goRound(text, version, undefined);
    });

  it(`${changesOf(corpus)} files that were changed at random: the same (seed ${seed})`, async () => {
    const outcomes = new Map<string, number>();

    await eachFile(corpus, async ({ text }, random) => {
      const outcome = await goRound(mutatedToml(text, random), random.pick(versions), random);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    });

    console.log(`      ${[...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', ')}`);
    for (const wanted of ['range', 'drop-in and import', 'engine-config-invalid'])
      assert.ok(mutationCount < 200 || outcomes.has(wanted), [...outcomes.keys()].join());
  });

  it('bytes that are no UTF-8 are refused with their place', async () => {
    await eachRound(async (random) => {
      const bytes = brokenBytes(random.pick(corpus).text, random);
      const tree = await engineTree({ [main]: bytes });

      const error = await plan(tree, '2.1.9', names).catch((thrown: unknown) => thrown);
      await tree.remove();

      assert.ok(error instanceof KataError && error.code === 'engine-config-invalid', String(error));
      assert.match(error.complaint.found, /line \d+, column \d+/);
    }, 10);
  });
});

async function goRound(text: string, version: string | undefined, random: Random | undefined): Promise<string> {
  const tree = await engineTree({
    [main]: text,
    '/etc/containerd/conf.d/10-other.toml': random?.pick(others) ?? '',
    '/etc/containerd/conf.d/20-more.toml': '',
    '/etc/containerd/other.toml': random?.pick(others) ?? '',
  });
  try {
    const before = tree.everything();
    const first = await plan(tree, version, names).catch((error: unknown) => error as Error);
    if (first instanceof Error) return refusal(first, text, before, tree);
    await tree.apply(first);
    const installed = tree.everything();
    judgeAdded(before, installed, version, first);
    const again = await plan(tree, version, names, first.wiring);
    const fewer = await plan(tree, version, names.slice(1), first.wiring);
    await tree.apply(fewer);
    const more = await plan(tree, version, names, fewer.wiring);
    await tree.apply(more);
    assert.deepEqual([again.changes, again.wiring?.key, more.wiring?.key], [[], first.wiring?.key, first.wiring?.key]);
    assert.deepEqual(tree.everything(), installed);
    if (random !== undefined) await editBetween(tree, version, first.wiring!, random);
    await tree.apply(await plan(tree, version, [], more.wiring));
    assert.deepEqual(tree.everything(), before);
    return first.wiring!.method;
  } finally {
    await tree.remove();
  }
}

function refusal(error: Error, text: string, before: Record<string, string>, tree: EngineTree): string {
  if (!(error instanceof KataError)) throw error;
  assert.match(error.code, /^engine-/);
  assert.deepEqual(tree.everything(), before);
  // Nothing is refused to which a table can be added.
  if (error.complaint.found.includes('written in a shape')) {
    const added = [oldId, newId].map((id) => {
      const path = ['plugins', id, 'containerd', 'runtimes', 'probe'];
      const value = strictToml(`${text}\n[plugins."${id}".containerd.runtimes.probe]\nx = 1\n`);
      // Behind a list of tables the probe is valid, too: in the last one of the list.
      return path.reduce<unknown>((table, key) => (Array.isArray(table) ? undefined : (table as Table | undefined)?.[key]), value);
    });
    assert.ok(added.includes(undefined), text);
  }
  if (strictToml(text) === undefined && error.code === 'engine-config-invalid')
    assert.match(error.complaint.found, /line \d+, column \d+|larger than|has version = /, `${error.message}\n${text}`);
  return error.code;
}

/** Over all files: the handlers once, under one plugin; a version where there was none; one import; on 1.x the runtime that the daemon would lose. */
function judgeAdded(
  before: Record<string, string>,
  after: Record<string, string>,
  version: string | undefined,
  { wiring }: WiringPlan,
): void {
  const found: Table[] = [];
  for (const [path, now] of Object.entries(after)) {
    if (now === before[path] || now === 'folder') continue;
    const [was, is] = [bare(before[path] ?? ''), bare(now)];
    assert.ok(isInsertion(was, is), `${path} is not as it was:\n${was}\n---\n${is}`);
    const [older, newer] = [strictToml(was), strictToml(is)];
    assert.ok(older !== undefined && newer !== undefined, `${path} is no TOML any more:\n${is}`);
    found.push((addedTo(older, newer) ?? {}) as Table);
  }
  const plugins = found.flatMap(({ plugins: each }) => Object.entries((each ?? {}) as Record<string, Table>));
  const [[id, table] = ['none', {}], ...rest] = plugins;
  assert.ok([oldId, newId].includes(id) && rest.length === 0, JSON.stringify(found));
  const { containerd, ...more } = table as { containerd: { runtimes: Table } };
  assert.deepEqual([Object.keys(more), Object.keys(containerd)], [[], ['runtimes']]);
  const { runc, ...runtimes } = containerd.runtimes;
  if (runc !== undefined) assert.ok(version === undefined || version.startsWith('1.'), 'runc is written again for containerd 2');
  assert.deepEqual(JSON.parse(JSON.stringify(runtimes)), Object.fromEntries(names.map((name) => [name, wantedTable(name, version)])));
  const rest2 = found.map(({ plugins: _, version: __, ...each }) => each).filter((each) => Object.keys(each).length > 0);
  assert.deepEqual(JSON.parse(JSON.stringify(rest2)), wiring?.method === 'drop-in and import' ? [{ imports: [pattern] }] : []);
}

function bare(shown: string): string {
  return Buffer.from(shown.replace(/^file /, ''), 'latin1').toString();
}

/** Another program edits a file with text of kata-sysext: the text goes and all of the edit stays, or nothing is touched and that is said. */
async function editBetween(tree: EngineTree, version: string | undefined, wiring: Wiring, random: Random): Promise<void> {
  const ranges = wiring.marks.filter(({ kind }) => kind === 'range');
  if (ranges.length === 0) return;
  const { path, text: own } = random.pick(ranges);
  const now = await tree.read(path);
  const edited = editedBeside(now, own, random);
  await tree.write(path, edited);
  const removal = await plan(tree, version, [], wiring);
  const change = removal.changes.find((each) => each.path === path);
  const left = change === undefined ? edited : change.after === 'absent' ? '' : change.after.text;
  if (change === undefined)
    assert.ok(
      removal.findings.some(({ code, subject }) => code === 'foreign-edit' && subject === path),
      edited,
    );
  else {
    assert.equal(withoutSpace(left), withoutSpace(edited.replace(own, () => '\n')), `${edited}\n---\n${left}`);
    const [was, is] = [strictToml(edited), strictToml(left)];
    if (Array.isArray(was?.['imports'])) was['imports'] = was['imports'].filter((each) => each !== pattern);
    if (was !== undefined)
      assert.ok(is !== undefined && !JSON.stringify(addedTo(is, was) ?? '').includes('"CHANGED"'), `${edited}\n---\n${left}`);
  }
  await tree.write(path, now);
}

/** A comma or a line end may go, or stay, with the text. */
function withoutSpace(text: string): string {
  return text.replaceAll(/[\s,]+/g, '');
}

function editedBeside(text: string, own: string, random: Random): string {
  const at = text.indexOf(own);
  const [head, tail] = [text.slice(0, at), text.slice(at + own.length)];
  const isLine = own.includes('\n');
  const before = () => {
    const parts = head.split(/(?<=\n)/);
    parts.splice(
      random.below(isLine ? parts.length : parts.length - 1),
      0,
      random.pick(['# theirs\n', '\n', '# theirs\r\n', '[theirs]\nx = 1\n', 'theirs = 1\n']),
    );
    return parts.join('') + own + tail;
  };
  const behind = () =>
    head +
    own +
    random.pick(isLine ? ['# theirs\n', '[theirs]\nx = 1\n', 'theirs = 1\n', '\n\n', ' '] : [', "/theirs/*.toml"', ' # theirs\n']) +
    tail;
  const cut = () => {
    const parts = head.split(/(?<=\n)/);
    if (parts.length > 1) parts.splice(random.below(parts.length - 1), 1);
    return parts.join('') + own + tail;
  };
  return random.pick([before, behind, cut])();
}
