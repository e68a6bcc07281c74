import assert from 'node:assert/strict';
import { lstatSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { takeBrought } from '../../cli/bootGuard/brought.ts';
import { openHost } from '../../cli/host/index.ts';
import { endAfter } from '../support/endings.ts';
import { needs } from '../support/needs.ts';
import { engineRun, putEngine } from '../support/trees/guardedTree.ts';
import { releases, type TreeHost, treeHost } from '../support/trees/treeHost.ts';

const pointer = 'etc/kata-sysext/current';
const configuration = 'etc/containerd/config.toml';

describe('a generation that an OS image brings', function () {
  this.timeout(600_000);
  let image: TreeHost;
  let host: TreeHost;
  let bare: string;
  before(async function () {
    needs(this, 'root');
    image = treeHost('fcos', putEngine);
    bare = readFileSync(image.path(configuration), 'utf8');
    await image.json(['install', (await releases()).first, '--backend', 'baked']);
  });
  endAfter(
    () => image,
    (made) => made.remove(),
  );
  beforeEach(() => {
    host = image.copy();
  });
  afterEach(() => host.remove());

  function take(more: { booted?: boolean } = {}): Promise<string | undefined> {
    const signal = new AbortController().signal;
    const own = openHost(host.root, {});
    return takeBrought({
      host: { ...own, booted: true, run: engineRun(own), ...more },
      program: '0',
      emit: () => undefined,
      signal,
      asked: { cause: 'boot guard' },
    });
  }
  const target = () =>
    lstatSync(host.path(pointer), { throwIfNoEntry: false }) === undefined ? undefined : readlinkSync(host.path(pointer));

  it('that is active with its wiring needs nothing', async () => {
    const [before, text] = [target(), readFileSync(host.path(configuration), 'utf8')];

    assert.equal(await take(), undefined);
    assert.deepEqual([target(), readFileSync(host.path(configuration), 'utf8')], [before, text]);
  });

  it('becomes active where the one before was rolled back, with its wiring as the image had it', async () => {
    const [before, text] = [target(), readFileSync(host.path(configuration), 'utf8')];
    rmSync(host.path(pointer));
    writeFileSync(host.path(configuration), bare);

    const note = await take();

    assert.equal(note, 'the OS image brought a generation that this host has not had before');
    assert.deepEqual([target(), readFileSync(host.path(configuration), 'utf8')], [before, text]);
    assert.notEqual(text, bare);
  });

  it('is tried once on a host: one that was active here before stays away', async () => {
    rmSync(host.path(pointer));
    writeFileSync(host.path(configuration), bare);
    await take();
    rmSync(host.path(pointer));
    writeFileSync(host.path(configuration), bare);

    assert.equal(await take(), undefined);
    assert.deepEqual([target(), readFileSync(host.path(configuration), 'utf8')], [undefined, bare]);
  });

  it('changes nothing about what the administrator installed', async () => {
    rmSync(host.path(pointer));
    symlinkSync('/var/lib/kata-sysext/generations/3', host.path(pointer));

    assert.equal(await take(), undefined);
    assert.equal(target(), '/var/lib/kata-sysext/generations/3');
  });

  it('is none of a tree that does not boot', async () => {
    rmSync(host.path(pointer));

    assert.equal(await take({ booted: false }), undefined);
    assert.equal(target(), undefined);
  });
});
