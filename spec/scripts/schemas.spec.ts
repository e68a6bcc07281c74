import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { checkJson, kinds } from '../support/judges/schemas.ts';

const folder = join(import.meta.dirname, '../../schema');

describe('the JSON schemas', () => {
  it('are named after the kind that each describes', () => {
    const names = readdirSync(folder);

    const said = names.map((name) => {
      const schema = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Record<string, string>;
      return [schema['$schema'], schema['$id'], `${schema['title']!.toLowerCase()}.json`];
    });

    assert.deepEqual(
      said,
      names.map((name) => ['http://json-schema.org/draft-07/schema#', name, name]),
    );
    assert.ok(kinds().length > 15);
  });

  it('refuse an object with a field that they do not have, and a kind that nobody described', () => {
    const version = { apiVersion: 'kata-sysext/v1', kind: 'Version', version: '0.1.0' };

    checkJson(version);

    assert.throws(() => checkJson({ ...version, more: 1 }), /not a Version/);
    assert.throws(() => checkJson({ ...version, kind: 'Finding' }), /no kind Finding/);
  });
});
