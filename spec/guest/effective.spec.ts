import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { KataError } from '../../cli/errors/index.ts';
import { effectiveConfiguration } from '../../cli/guest/index.ts';
import { type GuestTree, guestTree } from '../support/trees/guestTree.ts';
import { put } from '../support/trees/hostTrees.ts';

const folder = 'etc/kata-containers/kata-qemu.d';
const handlers = (family: 'go' | 'rust') => [{ name: 'kata-qemu', family }];

describe('the configuration of a handler, as its shim reads it', () => {
  let tree: GuestTree;
  afterEach(() => tree.remove());

  async function read(family: 'go' | 'rust' = 'go') {
    const generation = JSON.parse(JSON.stringify({ name: 'kata-qemu', release: 'qemu', family, hypervisor: 'qemu' }));
    return (await effectiveConfiguration(tree.host, 1, generation)).values;
  }
  async function refusal(family: 'go' | 'rust' = 'go'): Promise<KataError> {
    const error: unknown = await read(family).catch((reason: unknown) => reason);
    assert.ok(error instanceof KataError, String(error));
    assert.equal(error.code, 'guest-failed');
    return error;
  }

  it('fragments win in the order of their names; tables are merged, lists are replaced', async () => {
    tree = await guestTree(handlers('go'));
    tree.configure(
      'kata-qemu',
      '[hypervisor.qemu]\npath = "/a"\nlist = ["a", "b"]\ndefault_vcpus = 1\n[hypervisor.qemu.more]\na = 1\nb = 1\n',
    );
    tree.configure('kata-qemu', '[hypervisor.qemu]\ndefault_vcpus = 9\n[hypervisor.qemu.more]\nb = 9\n', '90.toml');
    tree.configure('kata-qemu', '[hypervisor.qemu]\ndefault_vcpus = 5\nlist = ["c"]\n[hypervisor.clh]\npath = "/x"\n', '50.toml');

    const values = await read();

    assert.deepEqual(JSON.parse(JSON.stringify(values)), { path: '/a', list: ['c'], default_vcpus: 9, more: { a: 1, b: 9 } });
  });

  for (const key of ['__proto__', 'constructor'])
    it(`the key ${key}, which objects of JavaScript have, is refused and changes none of them`, async () => {
      tree = await guestTree(handlers('go'));
      tree.configure('kata-qemu', `[hypervisor.qemu.${key}]\npolluted = true\n`, '10.toml');

      const { complaint } = await refusal();

      assert.match(complaint.found, new RegExp(`has the key ${key}`));
      assert.equal(({} as Record<string, unknown>)['polluted'], undefined);
    });

  it('the Go shim follows a link among the fragments; the Rust shim refuses it, and a folder', async () => {
    tree = await guestTree(handlers('go'));
    put(tree.root, 'etc/other.toml', '[hypervisor.qemu]\npath = "/linked"\n');
    mkdirSync(tree.path(folder), { recursive: true });
    symlinkSync('/etc/other.toml', tree.path(`${folder}/10.toml`));

    const go = await read('go');
    const link = await refusal('rust');
    tree.remove();
    tree = await guestTree(handlers('rust'));
    mkdirSync(tree.path(`${folder}/sub`), { recursive: true });
    const folderThere = await refusal('rust');
    const skipped = await read('go');

    assert.deepEqual([go['path'], skipped['path']], ['/linked', '/opt/kata/bin/qemu']);
    assert.match(link.complaint.found, /config\.d\/10\.toml: it is no regular file$/);
    assert.match(folderThere.complaint.found, /config\.d\/sub: it is no regular file$/);
  });

  const broken: [what: string, text: string, found: RegExp][] = [
    ['no TOML', '[hypervisor.qemu\n', /configuration\.toml/],
    ['no table of its hypervisor', '[hypervisor.clh]\npath = "/x"\n', /it has no table \[hypervisor\.qemu\]$/],
    ['a value in place of that table', '[hypervisor]\nqemu = "/x"\n', /it has no table \[hypervisor\.qemu\]$/],
    ['a value in place of all hypervisors', 'hypervisor = 1\n', /it has no table \[hypervisor\.qemu\]$/],
  ];
  for (const [what, text, found] of broken)
    it(`one with ${what} is refused as the shim would`, async () => {
      tree = await guestTree(handlers('go'));
      tree.configure('kata-qemu', text);

      assert.match((await refusal()).complaint.found, found);
    });

  it('a fragment that is no TOML is named, and its text is not told', async () => {
    tree = await guestTree(handlers('go'));
    tree.configure('kata-qemu', 'token = hunter2', '10-secret.toml');

    const { complaint } = await refusal();

    assert.match(complaint.found, /config\.d\/10-secret\.toml/);
    assert.doesNotMatch(JSON.stringify(complaint), /hunter2/);
  });
});
