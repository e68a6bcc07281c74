import { infoOf, runtimesIn, textIn } from '../../cri/index.ts';
import { commandWord } from '../../errors/index.ts';
import type { EngineCri } from '../contract.ts';
import { oldPlugin } from './schema.ts';

/** What is containerd's own in the CRI: 1.7 and 2.x show their runtimes; 1.x alone names the image of sandboxes there (docs/facts/kubernetes.md#handlers-in-the-verbose-status). */
export const cri: EngineCri = {
  handlersIn: (info) =>
    runtimesIn(infoOf(info), [['containerd', 'runtimes']], {
      shim: [['runtimePath'], ['runtime_path']],
      configuration: [['options', 'ConfigPath']],
    }),
  sandboxImage: (info, dump) =>
    textIn(infoOf(info), [['sandboxImage']]) ??
    textIn(dump, [
      ['plugins', 'io.containerd.cri.v1.images', 'pinned_images', 'sandbox'],
      ['plugins', oldPlugin, 'sandbox_image'],
    ]),
  pullCommand: ({ socket = '' }, image) => `ctr --address ${commandWord(socket)} --namespace k8s.io images pull ${commandWord(image)}`,
};
