import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { readBundles, type TreeEntry } from '../../cli/bundle/index.ts';
import type { Architecture } from '../../cli/facts/index.ts';
import { labelled } from '../../cli/images/index.ts';
import { rowMatcher } from '../../cli/layout/glob.ts';
import { handlerTable, keepFor, type Layout, layOut, placeOf, stockLabel } from '../../cli/layout/index.ts';
import { componentTable } from '../../cli/layout/tables.ts';
import { insideExtension } from '../../cli/store/paths.ts';
import { extensionEntries } from '../../cli/store/payload/extension.ts';
import { kindOfFile, stringsIn } from '../../cli/store/payload/unpacked.ts';
import { sampleRelease } from '../lab/release/index.ts';
import { completeRelease, kindOf } from '../layout/release.ts';
import { completeArchives } from '../support/archives/completeArchives.ts';
import { bothPolicies, type Policy, stockTypes } from '../support/judges/policies.ts';
import { needs } from '../support/needs.ts';

/** Where the files of a payload are named: what a merge shows, the store under SELinux (backends prefix, sysext and overlay), and an OS image's. */
const hex = '0a1b';
const shown = '';
const store = `/usr/local/libexec/kata-sysext/tree/${hex}`;
const inImage = `/usr/libexec/kata-sysext/tree/${hex}`;

/** What the policies call programs; a domain of a virtual machine may be entered by each of them on Fedora. */
const programTypes = ['bin_t', 'qemu_exec_t', 'container_runtime_exec_t'];
/** What Fedora's container_kvm_t may read and map, follow as a link, and search as a folder. */
const readable = {
  file: ['usr_t', 'bin_t', 'lib_t', 'qemu_exec_t', 'container_ro_file_t'],
  symlink: ['usr_t', 'bin_t', 'lib_t', 'etc_t'],
  directory: ['usr_t', 'bin_t', 'lib_t', 'etc_t', 'var_t', 'var_lib_t'],
};

interface Laid {
  title: string;
  layout: Layout;
  /** Executables by their first bytes and their mode, as they lie in the payload. */
  executables: Set<string>;
}

/**
 * The judges are the file contexts of both policies, asked by libselinux. What a payload's files are labelled with is asked of the program:
 * in folders the policy itself writes it, in images `labelled` does, on a host of either family.
 */
describe('SELinux types of everything that a handler needs', function () {
  this.timeout(900_000);
  let folder: string;
  let policies: Policy[];
  const laid: Laid[] = [];

  before(async function () {
    needs(this, 'zstd', 'gcc', 'patchelf', 'qemu-system-x86_64', 'mkfs.ext4');
    policies = await bothPolicies(this);
    folder = await mkdtemp(join(tmpdir(), 'kata-sysext-closure-'));
    const sample = await sampleRelease();
    laid.push(await layWhole(`sample release, ${basename(sample.static)}`, [sample.static], 'x86_64', 'rust'));
    laid.push(await layWhole(`sample release, ${basename(sample.go)}`, [sample.go], 'x86_64', 'go'));
    for (const arch of ['x86_64', 'aarch64', 's390x', 'ppc64le'] as const)
      laid.push(await layWhole(`all handlers of Kata 4.1.0 for ${arch}`, await completeArchives(folder, arch), arch));
  });
  after(async () => folder !== undefined && (await rm(folder, { recursive: true })));

  /** Lays out every handler that the archives can serve, from the unpacked bytes. */
  async function layWhole(title: string, sources: string[], arch: Architecture, family?: 'go' | 'rust'): Promise<Laid> {
    const into = await mkdtemp(join(folder, 'release-'));
    const signal = new AbortController().signal;
    const rows = handlerTable.handlers.filter((row) => row.architectures.includes(arch) && (family === undefined || row.family === family));
    const names = rows.map(({ name }) => name);
    const bundle = await readBundles({ sources, into, keep: keepFor(names, arch), emit: () => undefined, signal });
    const ask = {
      bundle,
      arch,
      readText: (path: string) => readFileSync(join(into, path), 'utf8'),
      contains: (path: string, needles: string[]) => stringsIn(join(into, path), needles, signal),
      kindOf: (path: string) => kindOfFile(join(into, path)),
    };
    const { available } = await layOut(ask);
    const layout = await layOut({ ...ask, wanted: available });
    assert.ok(available.length > 0, title);
    const home = new Map(layout.moves.map(({ from, to }) => [to, from]));
    const executables = layout.entries.filter(
      ({ path, kind, mode }) => kind === 'file' && (mode & 0o111) !== 0 && isExecutable(join(into, home.get(path) ?? path)),
    );
    await rm(into, { recursive: true });
    return { title, layout, executables: new Set(executables.map(({ path }) => path)) };
  }

  it('every executable lies in a folder bin, and is a program to both policies, in the store, below /usr and in an OS image', () => {
    for (const { title, executables, layout } of laid) {
      assert.ok(executables.size > 0 || !title.startsWith('sample'), title);
      const started = new Set([...executables, ...layout.handlers.map(({ shim }) => shim), ...layout.moves.map(({ to }) => to)]);
      for (const path of started) assert.equal(basename(dirname(path)), 'bin', `${title}: ${path}`);
      for (const policy of policies)
        for (const place of [shown, store, inImage]) {
          const paths = [...started].map((path) => `${place}/${insideExtension}/${path}`);
          const types = stockTypes(policy, 'file', paths);
          assert.equal(types.size, started.size);
          for (const [path, type] of types) assert.ok(programTypes.includes(type), `${policy.family}: ${path} is ${type}`);
        }
    }
  });

  it('every file, link and folder has a type that a virtual machine may read and map, follow or search', () => {
    for (const { layout } of laid)
      for (const policy of policies)
        for (const place of [shown, store, inImage])
          for (const [entry, type] of typesOf(policy, place, layout))
            assert.ok(readable[entry.kind].includes(type), `${policy.family}: ${place}/${entry.path} is ${type}`);
  });

  it('has one type for all: the stock one of the store, that of the merged /usr, and the one in an image of either family', () => {
    for (const { title, layout } of laid) {
      const wanted = new Map<string, string>();
      for (const policy of policies) {
        const below = typesOf(policy, shown, layout);
        const stored = new Map([...typesOf(policy, store, layout)].map(([entry, type]) => [entry.path, type]));
        const written = labelled(
          [...below].map(([entry]) => entry),
          policy.family,
        ).map(({ path, context }): [string, string] => [path, context.split(':')[2]!]);
        assert.deepEqual(new Map(written), stored);
        for (const [{ path }, type] of below) {
          assert.equal(type, stored.get(path), `${policy.family}: ${path} where it is stored`);
          assert.equal(type, stockLabel(policy.family, `/${path}`), `overlays/labels.json, ${policy.family}: ${path}`);
          assert.equal(stockLabel(policy.family, `${store}/${path}`), type);
          assert.equal(type, wanted.get(path) ?? type, `${title}, ${path}: the families differ`);
          wanted.set(path, type);
        }
      }
    }
  });

  it('what leads to them has such types as well: pointer, generation and configuration', () => {
    const generation = '/usr/local/libexec/kata-sysext/generations/1';
    const configuration = `${generation}/config/kata-qemu`;
    for (const policy of policies) {
      const links = stockTypes(policy, 'symlink', ['/etc/kata-sysext/current', `${generation}/payload`, `${configuration}/config.d`]);
      const files = stockTypes(policy, 'file', [`${configuration}/configuration.toml`]);
      const folders = stockTypes(policy, 'directory', ['/etc/kata-sysext', '/usr/local/libexec/kata-sysext', generation, configuration]);

      for (const [path, type] of links) assert.ok(readable.symlink.includes(type), `${policy.family}: ${path} is ${type}`);
      for (const [path, type] of files) assert.ok(readable.file.includes(type), `${policy.family}: ${path} is ${type}`);
      for (const [path, type] of folders) assert.ok(readable.directory.includes(type), `${policy.family}: ${path} is ${type}`);
    }
  });

  it('of every component, whichever handler has it: its programs are programs to both policies, its other files can be read', () => {
    const places = [shown, store, inImage];
    const rows = Object.entries(componentTable).flatMap(([name, { globs, except }]) =>
      claimed(globs, except).map((path) => ({ name, path })),
    );
    const at = (place: string, path: string) => `${place}/${insideExtension}/${placeOf(path, kindOf(path) ?? 'data')}`;
    for (const policy of policies) {
      const asked = [...new Set(rows.flatMap(({ path }) => places.map((place) => at(place, path))))];

      const types = stockTypes(policy, 'file', asked);

      for (const { name, path } of rows)
        for (const place of places) {
          const type = types.get(at(place, path))!;
          const wanted = kindOf(path) === 'program' ? programTypes : readable.file;
          assert.ok(wanted.includes(type), `${policy.family}, ${name}: ${at(place, path)} is ${type}`);
        }
    }
  });
});

/** The files of Kata's releases that a component claims; one of which the specs' releases have nothing is judged by its patterns. */
function claimed(globs: string[], except: string[] | undefined): string[] {
  const files = new Set((['x86_64', 'aarch64', 's390x', 'ppc64le'] as const).flatMap((arch) => [...completeRelease(arch).files.keys()]));
  const fitting = [...files].filter(rowMatcher(globs, except));
  return fitting.length > 0 ? fitting : globs.map((glob) => glob.replaceAll(/\*+/g, 'x'));
}

/** The type that a policy gives each entry of a payload, as an extension, at a place. */
function typesOf(policy: Policy, place: string, layout: Layout): Map<TreeEntry, string> {
  const entries = extensionEntries('', layout.entries);
  const types = new Map<TreeEntry, string>();
  for (const kind of ['file', 'directory', 'symlink'] as const) {
    const own = entries.filter((entry) => entry.kind === kind);
    const told = stockTypes(
      policy,
      kind,
      own.map(({ path }) => `${place}/${path}`),
    );
    for (const entry of own) types.set(entry, told.get(`${place}/${entry.path}`)!);
  }
  return types;
}

function isExecutable(file: string): boolean {
  const head = readFileSync(file).subarray(0, 4).toString('latin1');
  return (head.startsWith('#!') || head === '\x7fELF') && !/\.so(?:\.|$)/.test(file);
}
