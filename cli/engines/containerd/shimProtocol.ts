import type { ShimProtocol } from '../contract.ts';

export const shimProtocol: ShimProtocol = {
  speaks: [
    { below: '2.0.0', protocol: 2, source: 'runtime/v2/shim.go parseStartResponse; run with 1.7.24' },
    { from: '2.0.0', protocol: 3, source: 'core/runtime/v2/shim.go CurrentShimVersion; run with 2.1.9' },
  ],
  forgets: [
    {
      from: '2.0.0',
      below: '2.0.6',
      protocols: [2, 3],
      source:
        'containerd issue 10811: core/runtime/v2/shim_manager.go starts no shim for a container of a sandbox, so nothing keeps runtime_path for shim_load.go; run with 2.0.5',
    },
    {
      from: '2.0.6',
      protocols: [3],
      source: 'containerd issue 10811: since commit 5dc29f0e7 only for shims of version 3; run with 2.1.9, read up to 2.4.0-beta.0',
    },
  ],
  mixes: [
    {
      from: '2.1.0',
      below: '2.1.2',
      running: 2,
      next: 3,
      fixed: '2.1.2',
      source:
        'core/runtime/v2/shim_load.go loadShimTask does not try version 2 again before 2.1.2, while task_manager.go does; run with 2.1.1',
    },
  ],
};
