import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type RecordedPolicy, recordedPolicy } from '../support/policies/index.ts';
import { repo } from '../support/program.ts';

const read = <T>(name: string): T => JSON.parse(readFileSync(join(repo, 'overlays', name), 'utf8')) as T;
const access = read<{ families: Record<string, Record<string, string[]>> }>('labelAccess.json').families;
const labels = read<{ families: Record<string, { programs: string[]; usable: string[] }> }>('labels.json').families;
const { questions } = read<{ questions: { on: string; hypervisors?: string[] }[] }>('policyQuestions.json');
const { modules } = read<{ modules: { device?: string; hypervisors?: string[] }[] }>('modules.json');
const { handlers } = read<{ handlers: { hypervisor: string }[] }>('handlers.json');

/** Who asks for what, by the use of a file. */
const uses: { use: string; who: 'engine' | 'vm'; class: string; may: string[] }[] = [
  { use: 'executable', who: 'engine', class: 'file', may: ['getattr', 'open', 'read', 'execute'] },
  { use: 'executable', who: 'vm', class: 'file', may: ['getattr', 'open', 'read', 'map', 'execute', 'entrypoint'] },
  { use: 'library', who: 'vm', class: 'file', may: ['getattr', 'open', 'read', 'map', 'execute'] },
  { use: 'data', who: 'vm', class: 'file', may: ['getattr', 'open', 'read', 'map'] },
  { use: 'folder', who: 'vm', class: 'dir', may: ['search'] },
  { use: 'link', who: 'vm', class: 'lnk_file', may: ['read'] },
];
const policies: Record<string, { recorded: RecordedPolicy; engine: string }> = {
  'fedora-targeted': { recorded: 'fedora', engine: 'container_runtime_t' },
  'debian-refpolicy': { recorded: 'debian-with-module', engine: 'dockerd_t' },
};

/** What the policy denies of the types that a table names for a use; 'TYPE USE: PERMISSION …'. */
async function denied(family: string, named: (use: string) => string[]): Promise<string[]> {
  const { recorded, engine } = policies[family]!;
  const policy = recordedPolicy(recorded);
  const all: string[] = [];
  for (const { use, who, class: className, may } of uses) {
    const source = who === 'engine' ? `system_u:system_r:${engine}:s0` : 'system_u:system_r:container_kvm_t:s0:c1,c2';
    // Not every type of a table was recorded.
    for (const type of named(use).filter((each) => each !== 'textrel_shlib_t')) {
      const answer = await policy.access(source, `system_u:object_r:${type}:s0`, className);
      const missing = may.filter((permission) => answer?.allowed.has(permission) !== true);
      if (missing.length > 0) all.push(`${type} ${use}: ${missing.join(' ')}`);
    }
  }
  return all;
}

describe('what the tables say of types and devices', () => {
  for (const family of Object.keys(policies)) {
    it(`${family}: the policy gives the access that labelAccess.json says, with the module where it needs one`, async () => {
      const wrong = await denied(family, (use) => access[family]![use]!);

      assert.deepEqual(wrong, []);
    });

    it(`${family}: labels.json says the same of programs and of what a virtual machine reads`, () => {
      const { programs, usable } = labels[family]!;

      assert.deepEqual([...usable].sort(), [...access[family]!['data']!].sort());
      assert.deepEqual(
        programs.filter((type) => !access[family]!['executable']!.includes(type)),
        [],
      );
    });
  }

  it('the policy is asked about a device for the hypervisors whose kernel module an install loads', () => {
    const every = [...new Set(handlers.map(({ hypervisor }) => hypervisor))].filter((name) => name !== 'remote');
    const devices = [...new Set(questions.map(({ on }) => on).filter((on) => on.startsWith('/dev/')))];

    const asked = devices.map((device) => namesOf(questions.filter(({ on }) => on === device).map((each) => each.hypervisors ?? every)));
    const loaded = devices.map((device) => namesOf(modules.filter((each) => each.device === device).map((each) => each.hypervisors ?? [])));

    assert.deepEqual(asked, loaded);
  });
});

function namesOf(lists: string[][]): string[] {
  return [...new Set(lists.flat())].sort();
}
