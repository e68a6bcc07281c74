import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { digestOf } from '../../cli/host/index.ts';
import { complaints } from '../support/judges/generated.ts';
import { needs } from '../support/needs.ts';
import { textFiles } from '../support/textFiles.ts';
import { made, madeBaked } from './requests.ts';

describe('generate', function () {
  this.timeout(900_000);
  const texts = textFiles();

  it('the words of a request reach the node’s program as they were given', () => {
    const script = made('ignition', 'flatcar')[0]!.text;
    const hook = Buffer.from(/base64,([^"]+)/.exec(script)![1]!, 'base64').toString();
    const work = join(texts.folder, 'work');
    const own = texts.put(
      'hook.sh',
      hook
        .replace(/^work=.*$/m, `work=${work}`)
        .replace(/^stamp=.*$/m, `stamp=${texts.folder}/stamps/one`)
        .replace(/^mark=.*$/m, `mark=${texts.folder}/stamps/mark`)
        .replace(/^count=.*$/m, `count=${texts.folder}/tries`)
        .replace(/^fetch [^(].*$/gm, ''),
    );
    mkdirSync(work);
    writeFileSync(join(work, 'kata-sysext'), `#!/bin/sh\nprintf '%s\\n' "$@" > ${texts.folder}/arguments\n`, { mode: 0o755 });

    // What an earlier configuration noted, and the script beside it.
    mkdirSync(join(texts.folder, 'stamps'));
    for (const name of ['0123456789abcdef', 'hook.sh']) texts.put(`stamps/${name}`, '');

    const ran = spawnSync('sh', [own], { encoding: 'utf8' });

    assert.deepEqual([ran.status, ran.stderr], [0, 'Kata Containers is installed\n']);
    assert.deepEqual(readdirSync(join(texts.folder, 'stamps')).sort(), ['hook.sh', 'mark', 'one']);
    assert.deepEqual(readFileSync(join(texts.folder, 'arguments'), 'utf8').split('\n').slice(0, -1), [
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
    assert.deepEqual([existsSync(work), existsSync(join(texts.folder, 'stamps/one'))], [false, true]);
  });

  it('a try is promised within the boot exactly where systemd makes one, also for a program that was killed or cannot run', () => {
    const files = Object.fromEntries(made('containerfile', 'fcos').map(({ name, text }) => [name, text]));
    const unit = files['kata-sysext-first-boot.service']!;
    const prevented = /^RestartPreventExitStatus=(.*)$/m.exec(unit)![1]!.split(' ').map(Number);
    const work = join(texts.folder, 'ends');
    mkdirSync(work);
    const hook = files['hook.sh']!.replace(/^work=.*$/m, `work=${work}`).replace(/^fetch [^(].*$/gm, '');
    const script = texts.put('ends.sh', hook.replace(/^(stamp|mark|count)=.*$/gm, `$1=${texts.folder}/stamps/$1-ends`));

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
    const work = join(texts.folder, 'image');
    mkdirSync(work);
    const own = texts.put(
      'image-hook.sh',
      hook.replace(/^work=.*$/m, `work=${work}`).replace(/^stamp=.*$/m, `stamp=${texts.folder}/stamps/two`),
    );
    writeFileSync(join(work, 'kata-sysext'), `#!/bin/sh\ntouch ${texts.folder}/ran\n`, { mode: 0o755 });

    const ran = spawnSync('sh', [own], { encoding: 'utf8' });

    assert.equal(ran.status, 4);
    assert.match(ran.stderr, /kata-sysext is not the file that this image was made with: sha256 a{64} was expected/);
    assert.deepEqual([existsSync(join(texts.folder, 'ran')), existsSync(join(texts.folder, 'stamps/two'))], [false, false]);
  });

  it('a Containerfile puts nothing where an image may carry nothing, and its unit is whole', function () {
    needs(this, 'systemd-analyze');
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
    assert.deepEqual(complaints(texts.put(unit, files[unit]!)), []);
  });

  it('what judges the units tells a broken one, and that it could not look', function () {
    needs(this, 'systemd-analyze');
    const unit = 'kata-sysext-first-boot.service';
    const whole = made('containerfile', 'fcos').find(({ name }) => name === unit)!.text;
    const judged = (broken: string) => complaints(texts.put(unit, broken)).join('\n');

    const [unknown, refused] = [judged(whole.replace('Restart=', 'Restarts=')), judged(whole.replace('Type=simple', 'Type=dbus'))];
    const absent = judged(whole.replace('/bin/sh', '/bin/no-such-shell'));

    assert.match(unknown, /^exit status 1\n.*Unknown key/);
    assert.match(refused, /^exit status 1\n.*D-Bus service name/);
    assert.match(absent, /^exit status 1\n.*is not executable/);
    assert.throws(() => complaints(texts.put(unit, whole), ['no-such-systemd-analyze']), /ENOENT/);
  });

  it('a Containerfile passes licences on with the archives, in place of those of an image below', () => {
    const text = made('containerfile', 'fcos').find(({ name }) => name === 'Containerfile')!.text;

    const [, goes, archives] = /^RUN rm -rf (.*) && \S+\/kata-sysext notices (.*) -o \/ --progress none$/m.exec(text)!;

    assert.equal(goes, '/usr/share/os-manifests/package-manifest.kata.spdx.json /usr/share/licenses/kata');
    assert.ok(
      archives!.split(' ').every((path) => text.includes(`"${path.slice(path.lastIndexOf('/') + 1)}"`)),
      archives,
    );
  });

  it('a Containerfile builds also on an image that it has built', () => {
    const text = made('containerfile', 'fcos').find(({ name }) => name === 'Containerfile')!.text;
    const [, command] = /^RUN (mkdir .*)$/m.exec(text)!;
    const units = join(texts.folder, 'units');
    const script = command!.replaceAll('/usr/lib/systemd/system', units);

    const ran = [1, 2].map(() => spawnSync('sh', ['-c', script], { encoding: 'utf8' }));

    assert.deepEqual(
      ran.map(({ status, stderr }) => [status, stderr]),
      [
        [0, ''],
        [0, ''],
      ],
    );
    const unit = 'kata-sysext-first-boot.service';
    assert.equal(readlinkSync(join(units, 'multi-user.target.wants', unit)), `../${unit}`);
  });

  it('an image with Kata baked in: no program and no archive becomes a part of it, and what its builder runs installs with these very words', () => {
    const work = join(texts.folder, 'build');
    mkdirSync(work);
    const stub = '#!/bin/sh\nprintf "%s\\n" "$@" >>"$(dirname "$0")/words"\n';
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
      ...['notices', '-o', '/'],
    ]);
    assert.notEqual(other.status, 0);
    assert.equal(existsSync(join(work, 'words')), false, 'other bytes than those that were named are not run');
  });
});
