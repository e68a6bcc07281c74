import assert from 'node:assert/strict';
import { componentKinds, ownConfiguration, ownPath } from '../../cli/components/index.ts';
import { families, isUsable, stockLabel } from '../../cli/layout/index.ts';
import { imageRoot, insideExtension, payloadRoot } from '../../cli/store/index.ts';

const places = [`/${insideExtension}`, ...[imageRoot, payloadRoot(true)].map((root) => `${root}/tree/ab/${insideExtension}`)];

describe('files of the user', () => {
  for (const family of families)
    it(`have in the policy ${family} the label of the release’s own kernels and images, however an alias is called`, () => {
      const wrong: string[] = [];
      for (const place of places) {
        const usual = stockLabel(family, `${place}/share/kata-containers/kata-containers.img`);
        for (const alias of ['bin', 'sbin', 'lib', 'lib64', 'libexec', 'etc', 'init', 'so', 'sh', 'x-ld', 'modules'])
          for (const path of [ownConfiguration(alias), ...componentKinds.map((kind) => ownPath(alias, kind))])
            if (stockLabel(family, `${place}/${path}`) !== usual || !isUsable(family, usual!, 'data')) wrong.push(`${place}/${path}`);
      }

      assert.deepEqual(wrong, []);
    });
});
