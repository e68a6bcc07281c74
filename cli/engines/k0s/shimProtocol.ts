import type { ShimProtocol } from '../contract.ts';

/** By versions of k0s: up to 1.35 its containerd is 1.7, from 1.36 on 2.3. */
export const shimProtocol: ShimProtocol = {
  speaks: [
    { below: '1.36.0', protocol: 2, source: 'containerd 1.7.33 of k0s v1.34.10: runtime/v2/shim.go parseStartResponse' },
    { from: '1.36.0', protocol: 3, source: 'containerd 2.3 of k0s v1.36.3: core/runtime/v2/shim.go CurrentShimVersion' },
  ],
  forgets: [
    {
      from: '1.36.0',
      protocols: [3],
      source: 'containerd issue 10811: since commit 5dc29f0e7 (2.0.6) only for shims of version 3; read up to 2.4.0-beta.0',
    },
  ],
  mixes: [],
};
