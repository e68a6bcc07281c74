import assert from 'node:assert/strict';
import { askedBy, userText, userVariable, whoAsks } from '../../cli/runner/asked.ts';

describe('who asked for a change, and by what', () => {
  it('is the verb with its words, or the boot guard; options, which may hold secrets, are left out', async () => {
    const env = { KATA_SYSEXT_UNIT: 'u.service', [userVariable]: '1000:anna' };

    const seen = [
      await askedBy('install', ['a b.tar', '/x/c.tar'], {}, env),
      await askedBy('gc', [], { keep: 2, json: true, set: ['proxy=http://u:p@h'], to: 'a b' }, env),
      await askedBy('recover', [], { boot: 'recover' }, env),
    ];

    const user = { uid: 1000, name: 'anna' };
    assert.deepEqual(seen, [
      { cause: "install 'a b.tar' /x/c.tar", user },
      { cause: 'gc --keep 2', user },
      { cause: 'boot guard (recover)' },
    ]);
  });

  it('is bounded', async () => {
    const { cause } = await askedBy('install', ['x'.repeat(100_000)], {}, {});

    assert.equal(cause.length, 200);
  });

  it('what the environment says is believed in the unit of the change alone, and only in its form', async () => {
    const own = await whoAsks({});

    for (const said of ['', 'root', '0x10:a', '-1:a', '99999999999:a', '\u001b[31m:a', '__proto__:a'])
      assert.deepEqual((await askedBy('gc', [], {}, { KATA_SYSEXT_UNIT: 'u', [userVariable]: said })).user, own, said);
    assert.deepEqual((await askedBy('gc', [], {}, { [userVariable]: '1000:anna' })).user, own);
    const named = await askedBy('gc', [], {}, { KATA_SYSEXT_UNIT: 'u', [userVariable]: '7:a\u202eb' });
    assert.deepEqual(named.user, { uid: 7, name: undefined });
  });

  it('behind sudo is the one who called it', async function () {
    if (process.getuid?.() !== 0) {
      console.log('      only root is believed what SUDO_UID says');
      this.skip();
    }

    const user = await whoAsks({ SUDO_UID: '1000', SUDO_USER: 'anna' });

    assert.deepEqual([user, userText(user!)], [{ uid: 1000, name: 'anna' }, '1000:anna']);
  });

  it('without sudo is a number of the system, with its name from /etc/passwd', async () => {
    const user = await whoAsks({});

    assert.ok(Number.isSafeInteger(user?.uid));
    if (user?.uid === 0) assert.equal(user.name, 'root');
  });
});
