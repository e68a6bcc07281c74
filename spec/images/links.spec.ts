import assert from 'node:assert/strict';
import { strayLink } from '../../cli/images/links.ts';
import type { Labelled } from '../../cli/images/types.ts';

/** Links of which each leads to the next one. */
function chain(count: number, tail: string): Labelled[] {
  return Array.from({ length: count }, (_, index) => ({
    path: `r/l${index}`,
    kind: 'symlink',
    target: `l${(index + 1) % count}${tail}`,
  })) as unknown as Labelled[];
}

describe('links of an image', () => {
  it('are followed to their ends in thousands, as a release may have them', () => {
    assert.equal(strayLink(chain(5000, '/a/b'), 'r'), undefined);
  });

  it('are refused where to follow them would take a processor for minutes', () => {
    assert.match(strayLink(chain(5000, '/d'.repeat(2000)), 'r') ?? '', /^r\/l/);
    assert.equal(strayLink([{ path: 'r/one', kind: 'symlink', target: 'd/'.repeat(3_000_000) }] as unknown as Labelled[], 'r'), 'r/one');
  });
});
