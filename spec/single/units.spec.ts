import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { against, made, madeRendered, merging, type Node, targets } from '../generate/requests.ts';
import { debianRoot, type Suite, suiteAvailable } from '../lab/roots.ts';
import { removeAfter } from '../support/endings.ts';
import { verifyUnit } from '../support/judges/generated.ts';
import { scratch } from '../support/trees/treeHost.ts';
import { runInside } from './roots.ts';

const name = 'kata-sysext-first-boot.service';
const nodes: Node[] = [{}, { against }, { merging }, { against, merging }];

/** Every unit that `generate` makes, by what it is for. */
function units(): [title: string, text: string][] {
  const ofIgnition = (text: string) => (JSON.parse(text) as { systemd: { units: { contents: string }[] } }).systemd.units[0]!.contents;
  return [
    ...targets.map((target): [string, string] => [target, ofIgnition(made('ignition', target)[0]!.text)]),
    ...nodes.map((node, index): [string, string] => [`rendered-${index}`, ofIgnition(madeRendered('ignition', 'fcos', node)[0]!.text)]),
    ['image', made('containerfile', 'fcos').find((file) => file.name === name)!.text],
  ];
}

for (const suite of ['bookworm', 'trixie', 'forky'] as Suite[]) {
  describe(`units of the first boot judged by the systemd of ${suite}`, function () {
    this.timeout(900_000);
    let folder: string;
    let root: string;
    const put = (title: string, text: string) => {
      mkdirSync(join(folder, title));
      writeFileSync(join(folder, title, name), text);
    };
    /** What it said of units, each behind its title and the exit status. */
    const judged = async (titles: string[]) => {
      const script = `for title; do said=$(${verifyUnit.join(' ')} "/share/$title/${name}" 2>&1) && status=0 || status=$?; echo "$title: $status $said"; done`;
      return (await runInside(root, undefined, ['/bin/sh', '-c', script, 'sh', ...titles], { share: folder })).stdout;
    };

    before(async function () {
      const available = await suiteAvailable(suite);
      if (!available.ok) {
        console.log(`      ${available.why}`);
        this.skip();
      }
      root = await debianRoot(suite);
      folder = scratch('units');
    });
    removeAfter(() => folder);

    it('has nothing to say', async () => {
      const all = units();
      for (const [title, text] of all) put(title, text);

      const said = await judged(all.map(([title]) => title));

      assert.equal(said, all.map(([title]) => `${title}: 0 \n`).join(''));
    });

    it('would say so', async () => {
      const [, whole] = units()[0]!;
      put('unknown', whole.replace('Restart=', 'Restarts='));
      put('refused', whole.replace('Type=simple', 'Type=dbus'));

      const said = await judged(['unknown', 'refused', 'nowhere']);

      assert.match(said, /^unknown: 1 .*Unknown key.*^refused: 1 .*D-Bus service name.*^nowhere: 1 /ms);
    });
  });
}
