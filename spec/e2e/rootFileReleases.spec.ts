import { containerdConfig } from '../lab/containerd.ts';
import type { ContainerdRelease } from '../lab/goPrograms.ts';
import { describeRootFile } from '../support/live/rootFileHost.ts';
import { sample } from '../support/sample.ts';

const text = containerdConfig('forky').replace('version = 3', 'version = 4');

for (const release of sample<ContainerdRelease>(['2.3.7', '2.4.2'], 1, 'root file of schema 4'))
  describeRootFile({ title: `containerd ${release} and a file of schema 4`, suite: 'trixie', release, text });
