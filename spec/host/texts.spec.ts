import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unitTexts } from '../../cli/engines/common/unitFiles.ts';
import { openView } from '../../cli/host/index.ts';

type Code = { code?: string };

describe('a unit and its drop-ins', () => {
  let root: string;
  const dropIns = 'etc/systemd/system/containerd.service.d';

  beforeEach(() => {
    root = mkdtempSync(join(tmpdir(), 'kata-sysext-texts-'));
    mkdirSync(join(root, dropIns), { recursive: true });
  });

  afterEach(() => rmSync(root, { recursive: true, force: true }));

  function put(count: number, text: string): void {
    for (let each = 0; each < count; each++) writeFileSync(join(root, dropIns, `${String(each).padStart(4, '0')}.conf`), text);
  }

  it('are read in their order', async () => {
    writeFileSync(join(root, 'etc/systemd/system/containerd.service'), 'unit');
    put(2, 'drop-in');

    assert.deepEqual(await unitTexts(openView(root, {}), 'containerd.service'), ['unit', 'drop-in', 'drop-in']);
  });

  for (const [many, count, text] of [
    ['201 drop-ins', 201, ''],
    ['5 MB of them', 5, 'a'.repeat(1_000_000)],
    ['one of 2 MB', 1, 'a'.repeat(2_000_000)],
  ] as const) {
    it(`are refused where there are ${many}`, async () => {
      put(count, text);

      await assert.rejects(unitTexts(openView(root, {}), 'containerd.service'), (error: Code) => error.code === 'host-file-unfit');
    });
  }
});
