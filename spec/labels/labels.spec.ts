import assert from 'node:assert/strict';
import { type LabelledPlace, type LabelUse, labelFinding, wrongLabel } from '../../cli/labels/index.ts';
import { families } from '../../cli/layout/index.ts';

const context = (type: string, range = 's0') => `system_u:object_r:${type}:${range}`;

function judged(family: string, place: Partial<LabelledPlace>, found: string | undefined, stock: string | undefined) {
  const labels = { ...(found === undefined ? {} : { found }), ...(stock === undefined ? {} : { stock }) };
  const rules = { family, fallbackType: (fileClass: string) => (fileClass === 'program' ? 'bin_t' : 'usr_t') };
  return wrongLabel({ path: '/x', use: 'executable', fallback: 'program', ...place }, labels, rules);
}

function levelOf(family: string, place: Partial<LabelledPlace>, found: string | undefined, stock: string | undefined): string {
  const wrong = judged(family, place, found, stock);
  return wrong === undefined ? 'right' : labelFinding(wrong, { format: 'directory', number: 1 }).level;
}

describe('the label that a file needs', () => {
  const data: Partial<LabelledPlace> = { use: 'data', fallback: 'data' };
  const link: Partial<LabelledPlace> = { use: 'link', fallback: 'link' };
  // family, place, found, stock, what is said
  const rows: [string, Partial<LabelledPlace>, string | undefined, string | undefined, string][] = [
    ['fedora-targeted', {}, context('bin_t'), context('bin_t'), 'right'],
    ['fedora-targeted', {}, context('var_lib_t'), context('bin_t'), 'blocker'],
    ['fedora-targeted', {}, undefined, context('bin_t'), 'blocker'],
    ['fedora-targeted', {}, context('unlabeled_t'), context('bin_t'), 'blocker'],
    // Fedora's virtual machines enter usr_t, the reference policy's engine executes only bin_t.
    ['fedora-targeted', {}, context('usr_t'), context('bin_t'), 'warning'],
    ['debian-refpolicy', {}, context('usr_t'), context('bin_t'), 'blocker'],
    // Libraries may not be entered.
    ['fedora-targeted', {}, context('lib_t'), context('bin_t'), 'blocker'],
    // A virtual machine may write container_file_t; with the categories of one pod no other pod may read it.
    ['fedora-targeted', data, context('container_file_t'), context('usr_t'), 'blocker'],
    ['fedora-targeted', data, context('container_ro_file_t'), context('usr_t'), 'warning'],
    ['fedora-targeted', data, context('usr_t', 's0:c1,c2'), context('usr_t'), 'blocker'],
    // What the host's own rules say is the answer, unless it is known to keep virtual machines out.
    ['fedora-targeted', {}, context('site_kata_exec_t'), context('site_kata_exec_t'), 'right'],
    ['fedora-targeted', {}, context('bin_t'), context('site_kata_exec_t'), 'warning'],
    ['fedora-targeted', {}, context('bin_t'), context('var_lib_t'), 'right'],
    ['fedora-targeted', {}, context('var_lib_t'), context('var_lib_t'), 'blocker'],
    ['fedora-targeted', link, context('var_lib_t'), context('var_lib_t'), 'blocker'],
    ['fedora-targeted', link, context('etc_t'), context('etc_t'), 'right'],
    ['fedora-targeted', {}, context('bin_t'), undefined, 'right'],
    ['fedora-targeted', {}, context('tmp_t'), undefined, 'blocker'],
    // Where only the host's rule counts and there is none, anything is right.
    ['fedora-targeted', { use: 'state', fallback: undefined as never }, context('tmp_t'), undefined, 'right'],
    // Another program's file is its owner's business.
    ['fedora-targeted', { use: 'wiring', fallback: undefined as never, foreign: true }, context('tmp_t'), context('etc_t'), 'warning'],
    // restorecon without -F leaves the user alone; what an install labels has system_u.
    ['fedora-targeted', {}, 'unconfined_u:object_r:bin_t:s0', context('bin_t'), 'right'],
    ['fedora-targeted', { exact: true }, 'unconfined_u:object_r:bin_t:s0', context('bin_t'), 'warning'],
    ['a family that is new', {}, context('usr_t'), context('bin_t'), 'blocker'],
  ];
  for (const [family, place, found, stock, said] of rows) {
    it(`${family}: ${place.use ?? 'executable'} ${found ?? 'without a label'}, stock ${stock ?? 'none'}: ${said}`, () => {
      const level = levelOf(family, place, found, stock);

      assert.equal(level, said);
    });
  }

  it('is compared for all uses in all families that the label table knows', () => {
    const uses: LabelUse[] = ['executable', 'library', 'data', 'link', 'folder', 'wiring', 'unit', 'state'];

    const said = families.flatMap((family) => uses.map((use) => levelOf(family, { use }, context('tmp_t'), context('bin_t'))));

    assert.deepEqual([...new Set(said)], ['blocker']);
  });

  it('is named with what is there, and the host’s rule where it is not followed', () => {
    const wrong = judged('fedora-targeted', {}, context('tmp_t'), context('var_lib_t'))!;

    const finding = labelFinding(wrong, { format: 'directory', number: 1 });

    assert.equal(
      finding.found,
      '/x: the SELinux label system_u:object_r:tmp_t:s0, not system_u:object_r:bin_t:s0; the host’s own rule, system_u:object_r:var_lib_t:s0, keeps a virtual machine out',
    );
    assert.equal(finding.next, 'kata-sysext verify --repair');
  });

  it('of what a merge shows is put right where it is stored', () => {
    const wrong = judged('fedora-targeted', { shown: true }, context('tmp_t'), context('bin_t'))!;

    const next = (['directory', 'erofs'] as const).map((format) => labelFinding(wrong, { format, number: 7 }).next);

    assert.match(next[0]!, /^install the same bundle again: kata-sysext install BUNDLE$/);
    assert.match(next[1]!, /make the image on a host with this policy: kata-sysext build --help/);
  });
});
