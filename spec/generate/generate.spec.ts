import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Against, type Generated, generate, type Merging, type OutputKind, targetNamed } from '../../cli/generate/index.ts';
import { machineConfigLimit } from '../../cli/generate/machineConfig.ts';
import { type Digest, digestOf } from '../../cli/host/index.ts';
import { goProgram, goProgramAvailable } from '../lab/goPrograms.ts';
import { hasIgnition, ignitionFiles, VALIDATE } from '../lab/ignition.ts';
import { forbiddenForMachines } from '../support/machineConfigRules.ts';

const targets = [
  'fcos',
  'flatcar',
  'microos',
  'r4e',
  'openshift-4.8',
  'openshift-4.13',
  'openshift-4.14',
  'openshift-4.18',
  'openshift-4.22',
];
const openshift = targets.filter((name) => name.startsWith('openshift'));
const source = (name: string, sign: string) => ({
  name,
  digest: `sha256:${sign.repeat(64)}` as const,
  url: `https://files.example.org/kata/${name}`,
});

/** The text of the first file that is made; awkward words go through every layer of quoting. */
function made(kind: OutputKind, target: string, more: { kernelArguments?: string[]; installArguments?: string[] } = {}) {
  const request = {
    form: 'hook' as const,
    target: targetNamed(target),
    program: source('kata-sysext-linux-x64', 'a'),
    bundles: [source('kata-static.tar.zst', 'b'), source('kata-go-static.tar.zst', 'c')],
    installArguments: ['--handler', 'qemu', '--set', `kernel_params="it's $HOME \`id\` %n äöü"`],
    kernelArguments: [],
    version: '0.1.0',
    ...more,
  };
  return generate(kind, request, { role: 'worker', policy: true });
}

/** What containerd's node has to be like: every check that there is, with names that the shell would take apart. */
const against: Against = {
  config: '/etc/containerd/config.toml',
  digest: `sha256:${'e'.repeat(64)}`,
  imports: [{ folder: "/etc/containerd/it's $HOME", name: '*.toml' }],
  own: ['/etc/containerd/kata-sysext.toml'],
  version: '2',
  edits: [{ path: '/etc/containerd/config.toml', digest: `sha256:${'f'.repeat(64)}`, at: 12, part: 'parts/0' }],
};

const merging: Merging = {
  image: source('kata-4.1.0.raw', 'e'),
  path: '/var/usrlocal/libexec/kata-sysext/tree/0123/kata.raw',
  payload: `sha256:${'9'.repeat(64)}`,
  release: '/usr/lib/extension-release.d/extension-release.kata',
  link: { path: '/etc/extensions/kata.raw', target: '/var/usrlocal/libexec/kata-sysext/tree/0123/kata.raw' },
  wants: { path: '/etc/systemd/system/sysinit.target.wants/systemd-sysext.service', target: '../systemd-sysext.service' },
  service: 'systemd-sysext.service',
  least: 257,
};

/** The same for the form *rendered*. */
function madeRendered(kind: OutputKind, target: string, { against, merging: image }: Node = {}, policy = false) {
  const request = {
    form: 'rendered' as const,
    target: targetNamed(target),
    archive: source('kata-sysext-0123456789abcdef.tar.gz', 'd'),
    places: ['/var/usrlocal/libexec/kata-sysext', '/var/lib/kata-sysext', '/etc/kata-sysext', '/etc/crio/crio.conf.d/50-kata-sysext.conf'],
    engineUnit: against === undefined ? 'crio.service' : 'containerd.service',
    ...(against === undefined ? {} : { against }),
    ...(image === undefined ? {} : { merging: image }),
    kernelArguments: [],
    version: '0.1.0',
  };
  return generate(kind, request, { role: 'worker', policy });
}

/** What a node is besides its target. */
type Node = { against?: Against; merging?: Merging };

describe('generate', function () {
  this.timeout(900_000);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'kata-sysext-generate-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  function put(name: string, text: string): string {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  }

  it('gives the same bytes for the same request', () => {
    for (const kind of ['ignition', 'butane', 'machineconfig', 'containerfile'] as const) {
      const [one, two] = [made(kind, 'openshift-4.18'), made(kind, 'openshift-4.18')];

      assert.deepEqual(one, two);
    }
  });

  for (const target of targets) {
    it(`${target}: Ignition takes it (ignition-validate 2.26)`, async function () {
      const program = await goProgramAvailable('ignition-validate');
      if (!program.ok) {
        console.log(`      ${program.why}`);
        this.skip();
      }
      const kernelArguments = target.startsWith('openshift') || target === 'r4e' ? [] : ['intel_iommu=on'];

      const judged = spawnSync(await goProgram('ignition-validate'), [
        put('a.ign', made('ignition', target, { kernelArguments })[0]!.text),
      ]);

      assert.deepEqual([judged.status, String(judged.stdout), String(judged.stderr)], [0, '', '']);
    });

    it(`${target}: Butane makes of its form the same configuration (butane 0.29, --strict)`, async function () {
      const program = await goProgramAvailable('butane');
      if (!program.ok) {
        console.log(`      ${program.why}`);
        this.skip();
      }

      const judged = spawnSync(await goProgram('butane'), ['--strict', '--raw', put('a.bu', made('butane', target)[0]!.text)], {
        encoding: 'utf8',
      });

      assert.deepEqual([judged.status, judged.stderr], [0, '']);
      assert.deepEqual(plain(JSON.parse(judged.stdout)), plain(JSON.parse(made('ignition', target)[0]!.text)));
    });
  }

  for (const [name, sign] of [
    ['DEL', '\u007f'],
    ['NEL', '\u0085'],
    ['the line separator', '\u2028'],
    ['the paragraph separator', '\u2029'],
    ['a byte order mark', '\ufeff'],
    ['a control sign', '\u0001'],
    ['a sign of two halves', '\u{1f600}'],
  ]) {
    it(`${name} in a value is the same in every form`, async function () {
      const program = await goProgramAvailable('butane');
      if (!program.ok) {
        console.log(`      ${program.why}`);
        this.skip();
      }
      const more = { installArguments: ['--set', `kernel_params="a${sign}b"`] };

      const judged = spawnSync(await goProgram('butane'), ['--strict', '--raw', put('s.bu', made('butane', 'fcos', more)[0]!.text)], {
        encoding: 'utf8',
      });

      const ignition = plain(JSON.parse(made('ignition', 'fcos', more)[0]!.text));
      assert.deepEqual([judged.status, judged.stderr], [0, '']);
      assert.deepEqual(plain(JSON.parse(judged.stdout)), ignition);
      assert.deepEqual(plain(parsed(made('machineconfig', 'openshift-4.18', more)[0]!.text)['spec'].config).files.length, 1);
      assert.ok(ignition.files[0]!.text.includes(`a${sign}b`));
    });
  }

  for (const target of openshift) {
    it(`${target}: a MachineConfig holds nothing that the operator refuses, and is the one that Butane makes`, async function () {
      const program = await goProgramAvailable('butane');
      if (!program.ok) {
        console.log(`      ${program.why}`);
        this.skip();
      }
      const kernelArguments = ['intel_iommu=on', 'hugepages=64'];

      const own = parsed(made('machineconfig', target, { kernelArguments })[0]!.text);
      const butane = execFileSync(await goProgram('butane'), [
        '--strict',
        put('b.bu', made('butane', target, { kernelArguments })[0]!.text),
      ]);

      assert.deepEqual(forbiddenForMachines(own), []);
      const theirs = parsed(butane.toString());
      assert.deepEqual({ ...own, spec: undefined }, { ...theirs, spec: undefined });
      assert.deepEqual(own['spec'].kernelArguments, theirs['spec'].kernelArguments);
      assert.deepEqual(plain(own['spec'].config), plain(theirs['spec'].config));
    });
  }

  const rendered: [target: string, engine: string, node?: Node][] = [
    ...['fcos', 'flatcar', 'r4e', 'openshift-4.13', 'openshift-4.18'].map((target): [string, string] => [target, 'CRI-O']),
    ['fcos', 'containerd', { against }],
    ['flatcar', 'containerd', { against }],
    ['fcos', 'CRI-O, with an image', { merging }],
    ['fcos', 'containerd, with an image', { against, merging }],
  ];
  for (const [target, engine, node] of rendered) {
    it(`${target}, rendered for ${engine}: Ignition, Butane, the operator, systemd and the shell take it`, async function () {
      const [validate, butane] = [await goProgramAvailable('ignition-validate'), await goProgramAvailable('butane')];
      const absent = [validate, butane].find((each) => !each.ok);
      if (absent !== undefined && !absent.ok) {
        console.log(`      ${absent.why}`);
        this.skip();
      }
      const text = madeRendered('ignition', target, node)[0]!.text;

      const judged = spawnSync(await goProgram('ignition-validate'), [put('d.ign', text)], { encoding: 'utf8' });
      const theirs = execFileSync(await goProgram('butane'), [
        '--strict',
        '--raw',
        put('d.bu', madeRendered('butane', target, node)[0]!.text),
      ]);

      assert.deepEqual([judged.status, judged.stdout + judged.stderr], [0, '']);
      assert.deepEqual(plain(JSON.parse(theirs.toString())), plain(JSON.parse(text)));
      const config = JSON.parse(text) as { systemd: { units: { name: string; contents: string }[] } };
      const [{ name, contents } = { name: '', contents: '' }] = config.systemd.units;
      assert.deepEqual(complaints(put(name, contents)), []);
      const script = put('d.sh', plain(JSON.parse(text)).files[0]!.text);
      assert.equal(spawnSync('sh', ['-n', script]).status, 0);
      if (target.startsWith('openshift'))
        assert.deepEqual(forbiddenForMachines(parsed(madeRendered('machineconfig', target, node)[0]!.text)), []);
    });
  }

  it('the policy that spares reboots restarts the unit of a hook, and nothing where it would change nothing', () => {
    const policyOf = (files: Generated[]) =>
      parsed(files.find(({ name }) => name.endsWith('policy.yaml'))!.text)['spec'].nodeDisruptionPolicy;
    const actionsOf = (policy: { files: { actions: { type: string }[] }[] }) => policy.files[0]!.actions.map(({ type }) => type);

    const hook = actionsOf(policyOf(made('machineconfig', 'openshift-4.18')));
    const rendered = actionsOf(policyOf(madeRendered('machineconfig', 'openshift-4.18', {}, true)));

    assert.deepEqual([hook, rendered], [['DaemonReload', 'Restart'], ['DaemonReload']]);
  });

  it('the checker of the operator’s rules sees what is forbidden', () => {
    const file = { path: '/etc/a', contents: { source: 'https://x/y' }, append: [{ source: 'data:,a' }], mode: 0o4755 };
    const config = {
      storage: { files: [file], links: [{ path: '/etc/b' }], directories: [{ path: '/etc/c' }] },
      kernelArguments: { shouldExist: ['a'] },
    };

    const found = forbiddenForMachines({ spec: { config } });

    assert.deepEqual(found, [
      'storage.links',
      'storage.directories',
      'kernelArguments',
      '/etc/a: contents.source is no data URL',
      '/etc/a: append',
      '/etc/a: mode',
    ]);
  });

  it('a MachineConfig that is too large is refused with both numbers', () => {
    const installArguments = ['--set', `kernel_params="${'x'.repeat(machineConfigLimit)}"`];

    assert.throws(
      () => made('machineconfig', 'openshift-4.18', { installArguments }),
      (error: { code?: string; complaint?: { found: string; needed: string } }) =>
        error.code === 'generated-too-large' &&
        /would have \d{7} bytes/.test(error.complaint!.found) &&
        error.complaint!.needed.includes(String(machineConfigLimit)),
    );
  });

  for (const target of ['fcos', 'flatcar', 'microos', 'r4e', 'openshift-4.8']) {
    it(`${target}: Debian’s Ignition accepts it and writes it to a root tree, where systemd has nothing to say against the unit`, async function () {
      if (!hasIgnition()) {
        console.log('      Debian’s ignition is not on this machine: see .ci/packages.txt');
        this.skip();
      }
      const root = join(folder, target);
      mkdirSync(join(root, 'etc'), { recursive: true });
      const config = put('c.ign', made('ignition', target)[0]!.text);
      const validated = spawnSync(VALIDATE, [config], { encoding: 'utf8' });

      await ignitionFiles(config, root);

      assert.deepEqual([validated.status, validated.stdout + validated.stderr], [0, '']);
      const script = join(root, 'etc/kata-sysext-first-boot/hook.sh');
      assert.equal(statSync(script).mode & 0o7777, 0o755);
      assert.equal(spawnSync('sh', ['-n', script]).status, 0);
      const unit = 'kata-sysext-first-boot.service';
      assert.match(readFileSync(join(root, 'etc/systemd/system-preset/20-ignition.preset'), 'utf8'), new RegExp(`^enable ${unit}$`, 'm'));
      assert.deepEqual(complaints(join(root, 'etc/systemd/system', unit)), []);
      assert.deepEqual(labels([script, join(root, 'etc/systemd/system', unit)]), ['etc_t', 'systemd_unit_file_t']);
    });
  }

  it('the words of a request reach the node’s program as they were given', () => {
    const script = made('ignition', 'flatcar')[0]!.text;
    const hook = Buffer.from(/base64,([^"]+)/.exec(script)![1]!, 'base64').toString();
    const work = join(folder, 'work');
    const own = put(
      'hook.sh',
      hook
        .replace(/^work=.*$/m, `work=${work}`)
        .replace(/^stamp=.*$/m, `stamp=${folder}/stamps/one`)
        .replace(/^mark=.*$/m, `mark=${folder}/stamps/mark`)
        .replace(/^fetch [^(].*$/gm, ''),
    );
    mkdirSync(work);
    writeFileSync(join(work, 'kata-sysext'), `#!/bin/sh\nprintf '%s\\n' "$@" > ${folder}/arguments\n`, { mode: 0o755 });

    const ran = spawnSync('sh', [own], { encoding: 'utf8' });

    assert.deepEqual([ran.status, ran.stderr], [0, 'Kata Containers is installed\n']);
    assert.deepEqual(readFileSync(join(folder, 'arguments'), 'utf8').split('\n').slice(0, -1), [
      'install',
      `${work}/kata-static.tar.zst`,
      `${work}/kata-go-static.tar.zst`,
      '--digest',
      `sha256:${'b'.repeat(64)}`,
      '--digest',
      `sha256:${'c'.repeat(64)}`,
      '--handler',
      'qemu',
      '--set',
      `kernel_params="it's $HOME \`id\` %n äöü"`,
      '--progress',
      'plain',
    ]);
    assert.deepEqual([existsSync(work), existsSync(join(folder, 'stamps/one'))], [false, true]);
  });

  it('a try is promised within the boot exactly where systemd makes one, also for a program that was killed or cannot run', () => {
    const files = Object.fromEntries(made('containerfile', 'fcos').map(({ name, text }) => [name, text]));
    const unit = files['kata-sysext-first-boot.service']!;
    const prevented = /^RestartPreventExitStatus=(.*)$/m.exec(unit)![1]!.split(' ').map(Number);
    const work = join(folder, 'ends');
    mkdirSync(work);
    const hook = files['hook.sh']!.replace(/^work=.*$/m, `work=${work}`).replace(/^fetch [^(].*$/gm, '');
    const script = put('ends.sh', hook.replace(/^(stamp|mark)=.*$/gm, `$1=${folder}/stamps/$1-ends`));

    const tries = ['exit 3', 'exit 75', 'exit 1', 'exit 5', 'exit 77', 'exit 126', 'kill -KILL $$'].map((end) => {
      writeFileSync(join(work, 'kata-sysext'), `#!/bin/sh\n${end}\n`, { mode: 0o755 });
      const { status, stderr } = spawnSync('sh', [script], { encoding: 'utf8' });
      return { end, again: !prevented.includes(status!), promised: stderr.includes('the next try is in 30 s') };
    });

    assert.deepEqual(
      tries,
      tries.map(({ end }, index) => ({ end, again: index < 2, promised: index < 2 })),
    );
  });

  it('a file of the image that is not the one it was made with is told, and nothing runs', () => {
    const hook = made('containerfile', 'fcos').find(({ name }) => name === 'hook.sh')!.text;
    const work = join(folder, 'image');
    mkdirSync(work);
    const own = put('image-hook.sh', hook.replace(/^work=.*$/m, `work=${work}`).replace(/^stamp=.*$/m, `stamp=${folder}/stamps/two`));
    writeFileSync(join(work, 'kata-sysext'), `#!/bin/sh\ntouch ${folder}/ran\n`, { mode: 0o755 });

    const ran = spawnSync('sh', [own], { encoding: 'utf8' });

    assert.equal(ran.status, 4);
    assert.match(ran.stderr, /kata-sysext is not the file that this image was made with: sha256 a{64} was expected/);
    assert.deepEqual([existsSync(join(folder, 'ran')), existsSync(join(folder, 'stamps/two'))], [false, false]);
  });

  it('a Containerfile puts nothing where an image may carry nothing, and its unit is whole', () => {
    const files = Object.fromEntries(made('containerfile', 'fcos').map(({ name, text }) => [name, text]));

    const targetsOfCopies = [...files['Containerfile']!.matchAll(/^COPY .*?"?(\/[^\s"\]]+)"?\]?$/gm)].map((match) => match[1]!);
    assert.equal(targetsOfCopies.length, 5);
    assert.deepEqual(
      targetsOfCopies.filter(
        (path) => !path.startsWith('/usr/libexec/kata-sysext-first-boot/') && !path.startsWith('/usr/lib/systemd/system/'),
      ),
      [],
    );
    assert.equal(files['hook.sh']!.includes('https://'), false);
    const unit = 'kata-sysext-first-boot.service';
    assert.equal(files[unit]!.includes('network-online'), false);
    assert.deepEqual(complaints(put(unit, files[unit]!)), []);
  });

  it('an image with Kata baked in: no program and no archive becomes a part of it, and what its builder runs installs with these very words', () => {
    const work = join(folder, 'build');
    mkdirSync(work);
    const stub = '#!/bin/sh\nprintf "%s\\n" "$@" >"$(dirname "$0")/words"\n';
    writeFileSync(join(work, 'kata-sysext'), stub, { mode: 0o755 });
    const text = madeBaked(digestOf(stub));
    const [stage = '', image = ''] = text.split(/FROM \$\{BASE\}/);
    const run = (script: string) => spawnSync('sh', ['-c', script], { encoding: 'utf8' });
    const script = image.slice(image.indexOf('\n    ')).replaceAll('/run/kata-sysext-build', work);

    const ran = run(script);
    const words = readFileSync(join(work, 'words'), 'utf8').trim().split('\n');
    rmSync(join(work, 'words'));
    const other = run(script.replace(digestOf(stub).slice('sha256:'.length), 'a'.repeat(64)));

    assert.equal(madeBaked(digestOf(stub)), text);
    assert.equal([...stage.matchAll(/^COPY .*$/gm)].length, 3);
    assert.doesNotMatch(image, /^(COPY|ADD|VOLUME|ENV)\b/m);
    assert.equal(ran.status, 0, ran.stderr);
    assert.deepEqual(words, [
      'install',
      `${work}/kata-static.tar.zst`,
      `${work}/kata-go-static.tar.zst`,
      '--root',
      '/',
      '--backend',
      'baked',
      '--digest',
      `sha256:${'b'.repeat(64)}`,
      '--digest',
      `sha256:${'c'.repeat(64)}`,
      '--set',
      `kernel_params="it's $HOME \`id\` %n äöü"`,
      '--progress',
      'plain',
    ]);
    assert.notEqual(other.status, 0);
    assert.equal(existsSync(join(work, 'words')), false, 'other bytes than those that were named are not run');
  });
});

/** The Containerfile of the form *baked*. */
function madeBaked(program: Digest): string {
  const request = {
    form: 'baked' as const,
    target: targetNamed('fcos'),
    program: { name: 'kata-sysext-linux-x64', digest: program },
    bundles: [source('kata-static.tar.zst', 'b'), source('kata-go-static.tar.zst', 'c')],
    installArguments: ['--set', `kernel_params="it's $HOME \`id\` %n äöü"`],
    kernelArguments: [],
    version: '0.1.0',
  };
  return generate('containerfile', request, { role: 'worker', policy: true })[0]!.text;
}

/** What `systemd-analyze verify` says of the unit itself: the hook's script is no program that this machine has to have. */
function complaints(unit: string): string[] {
  const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', unit], { encoding: 'utf8' });
  return `${stdout}${stderr}`.split('\n').filter((line) => line.includes('kata-sysext'));
}

/** The SELinux types that Ignition's own relabelling has left. */
function labels(paths: string[]): string[] {
  const said = execFileSync('getfattr', ['--absolute-names', '--only-values', '-n', 'security.selinux', ...paths], { encoding: 'utf8' });
  return [...said.matchAll(/object_r:(\w+):s0/g)].map((match) => match[1]!);
}

/** A configuration with every data URL, compressed or not, as the text that it stands for. */
function plain(config: unknown) {
  const text = JSON.stringify(config);
  const { ignition, kernelArguments, storage, systemd } = JSON.parse(text) as {
    ignition: { version: string };
    kernelArguments?: unknown;
    storage: { files: { path: string; mode: number; overwrite: boolean; contents: { source: string; compression?: string } }[] };
    systemd: unknown;
  };
  const files = storage.files.map(({ contents, ...rest }) => ({ ...rest, text: textOf(contents) }));
  return { version: ignition.version, kernelArguments, files, systemd };
}

function textOf({ source, compression }: { source: string; compression?: string }): string {
  const [, base64, data = ''] = /^data:[^,]*?(;base64)?,(.*)$/s.exec(source) ?? [];
  const bytes = base64 === undefined ? Buffer.from(decodeURIComponent(data)) : Buffer.from(data, 'base64');
  return compression === 'gzip' ? execFileSync('gzip', ['-dc'], { input: bytes }).toString() : bytes.toString();
}

// biome-ignore lint/suspicious/noExplicitAny: a document whose parts are compared as they are
function parsed(yaml: string): Record<string, any> {
  const script = 'import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))';
  return JSON.parse(execFileSync('python3', ['-c', script], { input: yaml, encoding: 'utf8' }));
}
