import { rke2 } from '../support/live/rancherHost.ts';
import { rancherRound } from '../support/live/rancherRound.ts';

describe('RKE2: a whole round on a host whose RKE2 (a stand-in) gets newer', function () {
  this.timeout(900_000);
  rancherRound(rke2);
});
