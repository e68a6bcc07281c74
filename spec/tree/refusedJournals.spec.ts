import assert from 'node:assert/strict';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';
import { untouched } from '../support/trees/untouched.ts';

const state = 'var/lib/kata-sysext';

describe('refusals', () => {
  let host: TreeHost;
  let first: string;

  before(async () => {
    ({ first } = await releases());
  });

  beforeEach(() => {
    host = treeHost('fcos');
  });

  afterEach(() => host.remove());

  describe('a journal that is not ours to act on', () => {
    async function interrupted(): Promise<string> {
      await host.json(['install', first]);
      await host.run(['uninstall'], { env: { KATA_SYSEXT_FAILPOINT: 'step/file/after=kill' } });
      const [id] = readdirSync(host.path(`${state}/journal`));
      return host.path(`${state}/journal/${id}/intent.json`);
    }

    function rewrite(path: string, change: (value: Record<string, unknown>) => void): void {
      const value = JSON.parse(readFileSync(path, 'utf8')) as Record<string, unknown>;
      change(value);
      writeFileSync(path, JSON.stringify(value));
    }

    const verbs = () => [['recover'], ['install', first], ['uninstall', '--purge'], ['rollback'], ['gc']];
    const rows: [what: string, status: number, code: string, spoil: (path: string) => void][] = [
      ['of a newer program', 3, 'journal-newer', (path) => rewrite(path, (value) => (value['schema'] = 99))],
      [
        'with a kind of step that is not known',
        3,
        'journal-newer',
        (path) => rewrite(path, (value) => (value['steps'] as unknown[]).unshift({ kind: 'frob', path: '/etc/frob' })),
      ],
      [
        'of another machine',
        3,
        'journal-foreign',
        (path) => rewrite(path, (value) => Object.assign(value, { machine: 'other', deployment: 'single' })),
      ],
      ['of another deployment', 3, 'journal-foreign', (path) => rewrite(path, (value) => (value['deployment'] = 'abc.0'))],
      ['cut off in the middle', 3, 'state-damaged', (path) => writeFileSync(path, readFileSync(path).subarray(0, 40))],
      ['empty', 3, 'state-damaged', (path) => writeFileSync(path, '')],
      ['that is gone, beside the steps', 5, 'not-restored', (path) => rmSync(path)],
    ];
    for (const [what, status, code, spoil] of rows) {
      it(`${what}: ${code}, untouched by every verb`, async () => {
        const path = await interrupted();
        const good = readFileSync(path);
        spoil(path);

        for (const args of [['recover', '--dry-run'], ...verbs()]) await untouched(host, args, status, code, [`${state}/lock`]);
        writeFileSync(path, good);
        const recovered = await host.json(['recover']);

        assert.deepEqual(
          (recovered['recovered'] as { result: string }[]).map(({ result }) => result),
          ['undone'],
        );
        assert.deepEqual((await host.json(['verify']))['drift'], []);
      });
    }

    it('one whose step is cut off stops a recovery, and its dry run says so', async () => {
      const path = await interrupted();
      const step = path.replace('intent.json', 'step-0.json');
      const good = readFileSync(step);
      writeFileSync(step, good.subarray(0, 10));

      for (const args of [['recover', '--dry-run'], ['recover']]) {
        const { found } = await host.json(args, 3);
        assert.match(String(found), /step-0\.json is damaged/);
      }
      writeFileSync(step, good);
      const plan = (await host.json(['recover', '--dry-run'])) as { steps: { text: string }[] };

      assert.match(plan.steps.map(({ text }) => text).join(), /^undo change 2 \(uninstall, begun /);
      await host.json(['recover']);
    });

    it('a manifest of a newer program is left alone by every verb', async () => {
      await host.json(['install', first]);
      rewrite(host.path(`${state}/generations/1/manifest.json`), (value) => (value['schema'] = 99));

      for (const args of [...verbs(), ['status'], ['verify']]) await untouched(host, args, 3, 'journal-newer', [`${state}/lock`]);
    });
  });
});
