import assert from 'node:assert/strict';
import { requestOf } from '../../cli/requests/request.ts';
import { checkJson } from '../support/judges/schemas.ts';

describe('a request: the schema and the program', () => {
  const head = { apiVersion: 'kata-sysext/v1', kind: 'Request', mode: 'observe' };
  const takes = (check: () => unknown) => {
    try {
      check();
      return true;
    } catch {
      return false;
    }
  };

  for (const [path, isTaken] of [
    ['/etc/ca.pem', true],
    ['/var/..ca/x', true],
    ['/', true],
    ['/var/../etc', false],
    ['/..', false],
    ['/var/..', false],
    ['/var\n/../etc', false],
    ['/va\0r', false],
    ['etc/ca.pem', false],
    ['', false],
  ] as const)
    it(`${isTaken ? 'take' : 'refuse'} the path ${JSON.stringify(path)} in each key of a path`, () => {
      for (const key of ['caFile', 'registryAuth', 'metrics']) {
        const request = { ...head, [key]: path };

        const seen = { schema: takes(() => checkJson(request)), program: takes(() => requestOf(JSON.stringify(request), 'request.json')) };

        assert.deepEqual(seen, { schema: isTaken, program: isTaken }, key);
      }
    });
});
