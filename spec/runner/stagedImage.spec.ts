import assert from 'node:assert/strict';
import { KataError } from '../../cli/errors/index.ts';
import { stagingArea } from '../../cli/runner/staging.ts';
import type { ArchiveProver } from '../../cli/trust/index.ts';

type Area = ReturnType<typeof stagingArea>;

describe('an image on a host that demands signatures', () => {
  it('that took the place of a saved bundle after the first look is not copied', async () => {
    const unproven = () => new KataError('signature-missing', { subject: 'x', found: 'nothing proves it', needed: 'y', next: 'z' });
    const prover = { unproven } as unknown as ArchiveProver;
    const [given, request, place] = [{ file: '/kata.bundle' }, { provers: [prover] }, {}] as unknown as Parameters<Area['copyImage']>;
    const area = stagingArea({} as Parameters<typeof stagingArea>[0]);

    await assert.rejects(area.copyImage(given, request, place), { code: 'signature-missing' });
  });
});
