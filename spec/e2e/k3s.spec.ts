import { k3s } from '../support/live/rancherHost.ts';
import { rancherRound } from '../support/live/rancherRound.ts';

describe('k3s: a whole round on a host whose k3s (a stand-in) gets newer', function () {
  this.timeout(900_000);
  rancherRound(k3s);
});
