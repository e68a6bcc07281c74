import { infoOf, runtimesIn, textIn } from '../../cri/index.ts';
import { commandWord } from '../../errors/index.ts';
import type { EngineCri } from '../contract.ts';

/** What is CRI-O's own in the CRI, as 1.36.3 writes it: names of Go's fields, for it gives no others (docs/facts/kubernetes.md#handlers-in-the-verbose-status). */
export const cri: EngineCri = {
  handlersIn: (info) =>
    runtimesIn(
      infoOf(info),
      [
        ['crio', 'Runtimes'],
        ['crio', 'runtimes'],
      ],
      { shim: [['RuntimePath'], ['runtime_path']], configuration: [['RuntimeConfigPath'], ['runtime_config_path']] },
    ),
  sandboxImage: (info, dump) =>
    textIn(infoOf(info), [
      ['crio', 'PauseImage'],
      ['crio', 'pause_image'],
    ]) ?? textIn(dump, [['crio', 'image', 'pause_image']]),
  pullCommand: ({ socket = '' }, image) => `crictl --runtime-endpoint ${commandWord(`unix://${socket}`)} pull ${commandWord(image)}`,
};
