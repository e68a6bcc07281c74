import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { goProgram, goProgramAvailable } from '../lab/goPrograms.ts';
import { complaints, plain, plainUnnamed } from '../support/judges/generated.ts';
import { textFiles } from '../support/textFiles.ts';
import { against, madeRendered, merging, type Node, renderedTargets } from './requests.ts';

describe('generate', function () {
  this.timeout(900_000);
  const texts = textFiles();

  const rendered: [target: string, engine: string, node?: Node][] = [
    ...renderedTargets.map((target): [string, string] => [target, 'CRI-O']),
    ['fcos', 'containerd', { against }],
    ['flatcar', 'containerd', { against }],
    ['fcos', 'CRI-O, with an image', { merging }],
    ['fcos', 'containerd, with an image', { against, merging }],
  ];
  for (const [target, engine, node] of rendered) {
    it(`${target}, rendered for ${engine}: Ignition, Butane, systemd and the shell take it`, async function () {
      const [validate, butane] = [await goProgramAvailable('ignition-validate'), await goProgramAvailable('butane')];
      const absent = [validate, butane].find((each) => !each.ok);
      if (absent !== undefined && !absent.ok) {
        console.log(`      ${absent.why}`);
        this.skip();
      }
      const text = madeRendered('ignition', target, node)[0]!.text;

      const judged = spawnSync(await goProgram('ignition-validate'), [texts.put('d.ign', text)], { encoding: 'utf8' });
      const theirs = execFileSync(await goProgram('butane'), [
        '--strict',
        '--raw',
        texts.put('d.bu', madeRendered('butane', target, node)[0]!.text),
      ]);

      assert.deepEqual([judged.status, judged.stdout + judged.stderr], [0, '']);
      assert.deepEqual(plainUnnamed(JSON.parse(theirs.toString())), plain(JSON.parse(text)));
      const config = JSON.parse(text) as { systemd: { units: { name: string; contents: string }[] } };
      const [{ name, contents } = { name: '', contents: '' }] = config.systemd.units;
      assert.deepEqual(complaints(texts.put(name, contents)), []);
      const script = texts.put('d.sh', plain(JSON.parse(text)).files[0]!.text);
      assert.equal(spawnSync('sh', ['-n', script]).status, 0);
    });
  }
});
