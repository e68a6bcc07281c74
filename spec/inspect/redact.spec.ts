import assert from 'node:assert/strict';
import fc from 'fast-check';
import { type Known, redactor, secretsIn } from '../../cli/inspect/supportBundle/redact/index.ts';
import { seed } from '../support/sample.ts';

const nothing: Known = { secrets: [], hosts: [], users: [], ids: [] };
const options = { seed, numRuns: 400 };

function redact(text: string, known: Partial<Known> = {}): string {
  return redactor({ ...nothing, ...known }).redact(text);
}

/** Printable, as a password may be; long enough not to be a part of a placeholder or of our own words. */
const password = fc.string({
  minLength: 8,
  maxLength: 40,
  unit: fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code)),
});
const label = fc.stringMatching(/^[a-z][a-z0-9-]{1,10}[a-z0-9]$/);
const around = fc.string({ maxLength: 30, unit: fc.constantFrom(' ', 'a', 'Z', '7', '"', ':', '/', '=', '.', ',', '\n', '[', '}') });
const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('redaction of a report', () => {
  it('a known secret is gone, whatever stands around it and in whatever shape it is written', () => {
    const shapes: ((secret: string) => string)[] = [
      (secret) => secret,
      (secret) => JSON.stringify({ x: secret }),
      (secret) => JSON.stringify(JSON.stringify({ x: secret })),
      (secret) => base64(secret),
      (secret) => base64(`someone:${secret}`),
      (secret) => Buffer.from(`u:${secret}`).toString('base64url'),
      (secret) => Buffer.from(secret).toString('hex'),
      (secret) => encodeURIComponent(secret),
    ];
    fc.assert(
      fc.property(password, around, around, fc.constantFrom(...shapes), (secret, before, after, shape) => {
        const written = shape(secret);

        const told = redact(`${before} ${written} ${after}`, { secrets: [secret] });

        assert.ok(!told.includes(secret) && !told.includes(written), told);
      }),
      options,
    );
  });

  it('a password that nobody knew is gone where its key, its URL or its header says what it is', () => {
    const word = fc.stringMatching(/^[A-Za-z0-9!#$%*+.^_~-]{8,30}$/);
    const places: ((secret: string) => string)[] = [
      (secret) => `password = "${secret}"`,
      (secret) => `level=error msg="pull failed" token=${secret} code=401`,
      (secret) => `{"auths":{"registry.example":{"auth":"${secret}"}}}`,
      (secret) => `msg="{\\"identitytoken\\":\\"${secret}\\"}"`,
      (secret) => `Environment=HTTPS_PROXY=http://joe:${secret}@proxy:3128`,
      (secret) => `HTTPS_PROXY=http://joe:${encodeURIComponent(secret)}@proxy.corp.example:3128/`,
      (secret) => `Authorization: Basic ${base64(`joe:${secret}`)}`,
      (secret) => `authorization = ["Bearer ${secret}"]`,
      (secret) => `GET https://registry.example/v2/?account=x&token=${secret}`,
      (secret) => `pulled with ${base64(`joe:${secret}`)} today`,
      (secret) => `K3S_TOKEN='${secret}'`,
      (secret) => `client_secret: ${secret}`,
    ];
    fc.assert(
      fc.property(word, fc.constantFrom(...places), (secret, place) => {
        const told = redact(place(secret));

        assert.ok(!told.includes(secret) && !told.includes(base64(`joe:${secret}`)), told);
      }),
      options,
    );
  });

  it('finds in the text of a configuration what must not be shown elsewhere', () => {
    const text = [
      '[plugins."io.containerd.grpc.v1.cri".registry.configs."r.example".auth]',
      '  username = "robot$ci"',
      '  password = "pa\\"ss word"',
      `  auth = "${base64('joe:Tr0ub4dor')}"`,
      'Environment="HTTPS_PROXY=http://bob:p%40ss1234@proxy:3128"',
    ].join('\n');

    const found = secretsIn(text);

    for (const secret of ['robot$ci', 'pa"ss word', 'joe:Tr0ub4dor', 'Tr0ub4dor', base64('joe:Tr0ub4dor'), 'p%40ss1234', 'p@ss1234'])
      assert.ok(found.includes(secret), secret);
  });

  it('addresses are gone', () => {
    const mac = fc
      .array(fc.integer({ min: 0, max: 255 }), { minLength: 6, maxLength: 6 })
      .map((all) => all.map((one) => one.toString(16).padStart(2, '0')).join(':'));
    const v4 = fc.ipV4().filter((address) => !/^127\.|^0\.0\.0\.0$/.test(address));
    const v6 = fc.ipV6().filter((address) => !['::', '::1'].includes(address));
    const places = fc.constantFrom(
      'dial tcp X:6443: refused',
      'addr=X,',
      '[X]:443',
      '"X"',
      'from X.',
      'http://X:80/',
      'X',
      'a X/24 b',
      '(X)',
      'ip:X',
    );
    fc.assert(
      fc.property(fc.oneof(mac, v4, v6), places, (address, place) => {
        const told = redact(place.replace('X', address));

        assert.ok(!told.toLowerCase().includes(address.toLowerCase()), told);
      }),
      options,
    );
  });

  it('names of hosts are gone: known ones as words, others by their dots', () => {
    const places = fc.constantFrom(
      'lookup X: no such host',
      'X containerd[1]: started',
      'https://X/v2/',
      'X:5000/image',
      'user@X',
      '"X"',
      'in X, and',
      'certs.d/X/hosts',
    );
    fc.assert(
      fc.property(label, places, fc.boolean(), (name, place, isKnown) => {
        const host = `${name}x9.corp.example`;

        const told = isKnown
          ? redact(place.replace('X', `${name}x9`), { hosts: [`${name}x9`.toUpperCase()] })
          : redact(place.replace('X', host));

        assert.ok(!told.includes(`${name}x9`), told);
      }),
      options,
    );
  });

  it('the same value gets the same placeholder in every text, another one another', () => {
    const { redact: tell, counts } = redactor({ ...nothing, hosts: ['node1', 'node2'] });

    const told = [tell('node1 and NODE1'), tell('node2, then node1')];

    assert.deepEqual(told, ['<host-1> and <host-1>', '<host-2>, then <host-1>']);
    assert.deepEqual(counts(), [{ kind: 'host', different: 2, times: 4 }]);
  });

  it('keys are gone, whole or cut, and what follows stays', () => {
    const body = base64('k'.repeat(100))
      .match(/.{1,64}/g)!
      .join('\n');
    const key = `-----BEGIN PRIVATE KEY-----\n${body}\nq2Y=\n-----END PRIVATE KEY-----`;

    const texts = [`a\n${key}\nz`, `a\n${key.slice(40)}\nz`, `a\n${key.slice(0, -30)}`, `x="${key.replaceAll('\n', '\\n')}" z`].map(
      (text) => redact(text),
    );

    for (const told of texts) assert.ok(!/PRIVATE|a2tr|q2Y=/.test(told), told);
    assert.ok(texts[0]!.endsWith('z') && texts[1]!.endsWith('z'));
    assert.match(redact('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFoo joe@laptop'), /^<secret-1>$/);
  });

  it('nothing can hide behind signs that are not seen, or act on a terminal', () => {
    const told = redact('\u001b[31mpass\u200bword=abcd1234\u001b[0m \u202eevil \u0007 \u{f0000} <host-1>');

    assert.equal(told, 'password=<secret-1> evil   <host-1>');
  });

  it('our own words stay as they are', () => {
    const lines = [
      'containerd.service: active (running), result success, 0 restarts, KillMode process',
      '/etc/containerd/config.toml: file 640 0:0 255 bytes, changed 2026-11-24T03:21:01.000Z',
      '   plugins / io.containerd.grpc.v1.cri / containerd / runtimes / kata-qemu / runtime_type = "io.containerd.kata.v2"',
      '✗ the restart of containerd.service ended as failed [gate-failed]',
      '    next:   journalctl -u containerd.service -n 50',
      `payload sha256:${'ab'.repeat(32)} in /var/lib/kata-sysext/tree/${'ab'.repeat(32)}/usr/share/kata`,
      'kata-static-4.1.0-amd64.tar.zst, containerd 1.7.24, kernel 6.1.0-18-amd64, 5.14.0-427.13.1.el9_4.x86_64',
      '   error: it needs --allow engine-pending-edits; kata-sysext explain engine-pending-edits',
      'pod_annotations = ["io.katacontainers.*"], address=/run/containerd/containerd.sock.ttrpc',
      '/etc/extensions/kata -> ../../var/lib/kata-sysext/tree, system_u:object_r:var_lib_t:s0',
    ];

    assert.deepEqual(
      lines.map((line) => redact(line)),
      lines,
    );
  });

  it('comes to an end on lines that are made to be slow', () => {
    const pieces = [
      'a.',
      'aA1',
      'a@',
      ':',
      '::a',
      'auth',
      'password',
      '"\\',
      '://',
      'a-',
      '=',
      '-----END ',
      '-----BEGIN A-----',
      '/home/',
      'aa:',
    ];

    const told = pieces.map((piece) => redact(`${piece.repeat(2000 / piece.length)}\n`.repeat(50)));

    assert.equal(told.length, pieces.length);
  }).timeout(600_000);
});
