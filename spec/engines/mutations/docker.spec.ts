import assert from 'node:assert/strict';
import { docker } from '../../../cli/engines/docker/index.ts';
import type { Instance, Wiring } from '../../../cli/engines/types.ts';
import { KataError } from '../../../cli/errors/index.ts';
import { brokenBytes } from '../../support/mutations/bytes.ts';
import { realFiles } from '../../support/mutations/corpus.ts';
import { mutatedJson } from '../../support/mutations/json.ts';
import { changesOf, eachFile, eachRound, mutationCount, type Random } from '../../support/mutations/random.ts';
import { isInsertion } from '../../support/mutations/strictToml.ts';
import { loopMs, seed } from '../../support/sample.ts';
import { type EngineTree, engineTree, handler } from '../../support/trees/engineTree.ts';
import { dockerFiles } from '../dockerFiles.ts';

const path = '/etc/docker/daemon.json';
const wanted = [handler('kata-qemu'), handler('kata-clh')];
const offline: Instance = { engine: 'docker', version: '26.1.5', configPath: path, effect: { by: 'reload' } };
const running: Instance = { ...offline, unit: 'docker.service', process: { pid: 1, startedMs: 0, binaryReplaced: false } };

type Table = Record<string, unknown>;

/** Written by hand. */
const added: Table = Object.fromEntries(
  ['kata-qemu', 'kata-clh'].map((name) => [
    name,
    {
      runtimeType: '/etc/kata-sysext/current/payload/bin/containerd-shim-kata-v2',
      options: { ConfigPath: `/etc/kata-sysext/current/config/${name}/configuration.toml` },
    },
  ]),
);

const corpus = [...Object.entries(dockerFiles).map(([name, text]) => ({ name, text })), ...realFiles(['docker'], /\.json$/)];

describe('engines/docker: files that others changed', function () {
  this.timeout(loopMs);

  for (const { name, text } of corpus)
    it(`${name}: wired and taken back byte for byte`, async () => {
      assert.deepEqual([await goRound(text, offline), await goRound(text, running)], ['wired', 'wired']);
    });

  it(`${changesOf(corpus)} files that were changed at random: the same, or refused untouched (seed ${seed})`, async () => {
    const outcomes = new Map<string, number>();

    await eachFile(corpus, async ({ text }, random) => {
      const outcome = await goRound(mutatedJson(text, random), random.pick([offline, running]), random);
      outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
    });

    console.log(`      ${[...outcomes].map(([outcome, count]) => `${outcome} ${count}`).join(', ')}`);
    for (const outcome of ['wired', 'engine-config-invalid']) assert.ok(mutationCount < 200 || outcomes.has(outcome), outcome);
  });

  it('bytes that are no UTF-8 are refused with their place', async () => {
    await eachRound(async (random) => {
      const tree = await engineTree({ [path]: brokenBytes(random.pick(corpus).text, random) });

      const error = await docker.plan(tree.host, offline, wanted).catch((thrown: unknown) => thrown);
      await tree.remove();

      assert.ok(error instanceof KataError && error.code === 'engine-config-invalid', String(error));
      assert.match(error.complaint.found, /line \d+, column \d+/);
    }, 10);
  });
});

async function goRound(text: string, instance: Instance, random?: Random): Promise<string> {
  const tree = await engineTree({ [path]: text });
  try {
    const before = tree.everything();
    const first = await docker.plan(tree.host, instance, wanted).catch((error: unknown) => error as Error);
    if (first instanceof Error) return refusal(first, text, before, tree);
    await tree.apply(first);
    const wired = await tree.read(path);
    assert.ok(isInsertion(text, wired), `${text}\n---\n${wired}`);
    const [was, is] = [strictJson(text)!, strictJson(wired)!];
    assert.deepEqual(is, { ...was, runtimes: { ...(was['runtimes'] as Table), ...added } }, wired);
    const again = await docker.plan(tree.host, instance, wanted, first.wiring);
    const fewer = await docker.plan(tree.host, instance, wanted.slice(1), first.wiring);
    await tree.apply(fewer);
    const more = await docker.plan(tree.host, instance, wanted, fewer.wiring);
    await tree.apply(more);
    assert.deepEqual([again.changes, again.wiring?.key, more.wiring?.key], [[], first.wiring?.key, first.wiring?.key]);
    assert.deepEqual(strictJson(await tree.read(path)), is);
    if (random !== undefined) await editBetween(tree, instance, more.wiring!, random);
    await tree.apply(await docker.plan(tree.host, instance, [], more.wiring));
    assert.deepEqual(tree.everything(), before, text);
    return 'wired';
  } finally {
    await tree.remove();
  }
}

function refusal(error: Error, text: string, before: Record<string, string>, tree: EngineTree): string {
  if (!(error instanceof KataError)) throw error;
  assert.match(error.code, /^engine-/);
  assert.deepEqual(tree.everything(), before);
  if (strictJson(text) === undefined && !/larger than|nested|has more than/.test(error.complaint.found))
    assert.match(error.complaint.found, /line \d+, column \d+|has the key/, `${error.message}\n${text}`);
  // Nothing is refused but what dockerd dies of, or what another one has.
  if (error.code === 'engine-unsupported') assert.equal(strictJson(text)?.['runtimes'], null, `${error.message}\n${text}`);
  return error.code;
}

/** Another program writes the file again, or more into it: what it wrote stays by value, and no handler does. */
async function editBetween(tree: EngineTree, instance: Instance, wiring: Wiring, random: Random): Promise<void> {
  const now = await tree.read(path);
  const value = strictJson(now)!;
  const edited = random.pick([
    JSON.stringify({ ...value, theirs: 1 }, null, random.pick([undefined, 2, '\t'])),
    JSON.stringify({ theirs: 1, ...value }),
    now.replace('{', '{ "theirs": 1, '),
    now.replace(/\}(\s*)$/, ', "theirs": [{}] }$1'),
    now.replaceAll('\n', '\r\n'),
  ]);
  if (strictJson(edited) === undefined) return;
  await tree.write(path, edited);
  const removal = await docker.plan(tree.host, instance, [], wiring);
  await tree.apply(removal);
  const left = strictJson(await tree.read(path))!;
  const own = new Set(Object.keys(added));
  const rest = Object.fromEntries(Object.entries(value['runtimes'] as Table).filter(([name]) => !own.has(name)));
  const { runtimes, ...others } = left;
  const { runtimes: _, ...kept } = strictJson(edited)!;
  assert.deepEqual(others, kept, `${edited}\n---\n${JSON.stringify(left)}`);
  assert.deepEqual(runtimes ?? {}, rest, edited);
  await tree.write(path, now);
}

/** undefined for what is no object of JSON, or has a key twice: then readers differ. */
function strictJson(text: string): Table | undefined {
  const bare = text.replace(/^\ufeff/, '');
  if (/^[ \t\r\n]*$/.test(bare)) return {};
  try {
    const value: unknown = JSON.parse(bare);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Table) : undefined;
  } catch {
    return undefined;
  }
}
