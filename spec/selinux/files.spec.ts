import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type HostView, openView, type RunResult } from '../../cli/host/index.ts';
import { filesToWrite, installedFiles } from '../../cli/selinux/files.ts';
import type { GenerationManifest, PayloadManifest } from '../../cli/store/index.ts';

const home = '/usr/local/libexec/kata-sysext/tree/d/usr/share/kata';
const handler = { name: 'kata-qemu', shim: 'bin/containerd-shim-kata-v2' };

describe('files that a pod needs', () => {
  let root: string;

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-policy-files-'));
    mkdirSync(join(root, 'usr'));
    mkdirSync(join(root, 'var/usrlocal'), { recursive: true });
    symlinkSync('../var/usrlocal', join(root, 'usr/local'));
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function put(path: string, mode: number): PayloadManifest['entries'][number] {
    const file = join(root, 'var/usrlocal', home.slice('/usr/local'.length), path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, '', { mode });
    return { path, kind: 'file', mode, sizeBytes: 0 };
  }

  /** Where getfattr says that every file has this label. */
  function labelled(label: (path: string) => string): HostView {
    const run = async (_: string, args: string[]): Promise<RunResult> => {
      const paths = args.slice(args.indexOf('--') + 1);
      const blocks = paths.map((path) => `# file: ${path}\nsecurity.selinux="${label(path.slice(root.length) || '/')}"\n`);
      return { code: 0, stdout: `${blocks.join('\n')}\n`, stderr: '' };
    };
    return { ...openView(root, {}), run };
  }

  it('each has its role: programs, libraries, data, and the links and folders that lead to them', async () => {
    const entries = [
      put('bin/containerd-shim-kata-v2', 0o755),
      put('bin/qemu-system-x86_64', 0o755),
      put('lib/libfdt.so.1', 0o755),
      put('share/kata-containers/vmlinux-6', 0o755),
      { path: 'share/kata-containers/vmlinux', kind: 'symlink' as const, mode: 0o777, target: 'vmlinux-6' },
      put('share/other', 0o644),
    ];
    symlinkSync('vmlinux-6', join(root, 'var/usrlocal', home.slice('/usr/local'.length), 'share/kata-containers/vmlinux'));
    const files = entries.map(({ path }) => path).filter((path) => path !== 'share/other');
    const payload = { entries, handlers: [{ name: 'kata-qemu', files }] } as unknown as PayloadManifest;
    const manifest = { handlers: [handler] } as unknown as GenerationManifest;

    const found = await installedFiles(
      labelled(() => 'system_u:object_r:usr_t:s0'),
      manifest,
      payload,
      { base: home, home },
      'targeted',
    );

    const real = home.replace('/usr/local', '/var/usrlocal');
    const roles = new Map(found.map(({ path, role }) => [path, role]));
    assert.deepEqual(
      [
        `${real}/bin/containerd-shim-kata-v2`,
        `${real}/bin/qemu-system-x86_64`,
        `${real}/lib/libfdt.so.1`,
        `${real}/share/kata-containers/vmlinux-6`,
        `${home}/share/kata-containers/vmlinux`,
        '/usr/local',
        '/var/usrlocal',
        `${real}/bin`,
      ].map((path) => roles.get(path)),
      ['shim file', 'executable', 'library', 'data', 'link', 'link', 'folder', 'folder'],
    );
    assert.equal(roles.has(`${real}/share/other`), false);
    assert.equal(found.find(({ path }) => path.endsWith('/qemu-system-x86_64'))?.stock, 'bin_t');
  });

  it('a label that is no context is not put into a question', async () => {
    const entries = [put('bin/containerd-shim-kata-v2', 0o755)];
    const payload = { entries, handlers: [{ name: 'kata-qemu', files: ['bin/containerd-shim-kata-v2'] }] } as unknown as PayloadManifest;
    const manifest = { handlers: [handler] } as unknown as GenerationManifest;

    const found = await installedFiles(
      labelled(() => 'a:b:c 1 2'),
      manifest,
      payload,
      { base: home, home },
      'targeted',
    );

    assert.deepEqual(found, []);
  });

  for (const policy of ['targeted', 'default']) {
    it(`an install under ${policy} writes programs as bin_t, libraries as lib_t and all else as usr_t`, () => {
      const types = new Map(filesToWrite(home, policy).map(({ role, context }) => [role, context.split(':')[2]]));

      assert.deepEqual(Object.fromEntries(types), {
        'shim file': 'bin_t',
        executable: 'bin_t',
        library: 'lib_t',
        data: 'usr_t',
        folder: 'usr_t',
        link: 'usr_t',
      });
    });
  }
});
