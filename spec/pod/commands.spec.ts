import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { engineNamed } from '../../cli/engines/index.ts';
import { commandWord } from '../../cli/errors/index.ts';
import { noImage } from '../../cli/pod/findings.ts';
import { textFiles } from '../support/textFiles.ts';

const odd = [
  "it's",
  '$(touch pwned)',
  '`touch pwned`',
  'a b',
  '; touch pwned',
  '"',
  '\\',
  '*',
  '~root',
  '#x',
  '',
  "'; touch pwned; '",
  'a\nb',
];

describe('a text in a command that is named', () => {
  const files = textFiles();
  const sh = (script: string) => execFileSync('sh', ['-c', script], { cwd: files.folder, encoding: 'utf8' });

  for (const text of odd)
    it(`is one word for a shell: ${JSON.stringify(text)}`, () => {
      assert.equal(sh(`printf '<%s>' ${commandWord(text)}`), `<${text}>`);
    });

  it('stays as it is where a shell takes it as it is', () => {
    const plain = ['/etc/containerd/config.toml', 'registry.k8s.io/pause:3.10', 'x@sha256:0', 'kata-qemu', 'a=b,c+d%e_f'];

    assert.deepEqual(plain.map(commandWord), plain);
  });

  for (const name of ['containerd', 'crio', 'k3s', 'rke2', 'k0s'])
    it(`the command that pulls an image is one command, whatever the image is called: ${name}`, () => {
      const bin = join(files.folder, name);
      mkdirSync(bin);
      for (const program of ['ctr', 'crictl', 'k3s', 'k0s']) {
        writeFileSync(join(bin, program), '#!/bin/sh\nprintf "%s\\n" "$@"\n');
        chmodSync(join(bin, program), 0o755);
      }
      const { cri } = engineNamed(name)!;
      const socket = "/run/it's a socket; touch pwned";

      for (const image of ['pause:1; touch pwned', '$(touch pwned)', "'`touch pwned`'"]) {
        const { next } = noImage({ engine: name, configPath: '/x', socket }, cri!, image);
        const command = next.slice(0, -'; then run the command again'.length).replace('/var/lib/rancher/rke2/bin/ctr', 'ctr');
        const words = sh(`PATH=${bin}:$PATH; ${command}`).split('\n');

        assert.equal(words.at(-2), image, command);
      }
      assert.equal(existsSync(join(files.folder, 'pwned')), false);
    });

  it('the command that asks an engine about its image reaches its socket', () => {
    const { cri } = engineNamed('crio')!;

    const { next } = noImage({ engine: 'crio', configPath: '/x', socket: '/run/a b$(touch pwned)' }, cri!, undefined);

    assert.equal(sh(`crictl() { printf '%s' "$2"; }; ${next}`), 'unix:///run/a b$(touch pwned)');
  });
});
