import { containerdConfig } from '../lab/containerd.ts';
import type { Suite } from '../lab/roots.ts';
import { describeRootFile } from '../support/live/rootFileHost.ts';
import { sample } from '../support/sample.ts';

for (const suite of sample<Suite>(['trixie', 'forky'], 1, 'root file'))
  describeRootFile({ title: `a containerd of ${suite}`, suite, text: containerdConfig(suite) });
