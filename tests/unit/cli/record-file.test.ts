import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RegistryRecord } from '#proto/zmesh/v1/expert_registry.js';
import { decodeRecords, encodeRecord, exportHeader } from '#services/cli/record-file.js';
import { ZmeshError } from '#shared/errors.js';

const alias = (name: string): RegistryRecord =>
  RegistryRecord.create({
    format: 1,
    record: {
      $case: 'alias',
      value: { model: 'm', expert: 'e', alias: name, version: 'ab'.repeat(32) },
    },
  });
const file = Buffer.concat([exportHeader(), encodeRecord(alias('one')), encodeRecord(alias('two'))]);

describe('an export file', () => {
  it('gives back the records that were written, in order', () => {
    assert.deepEqual([...decodeRecords(file)], [alias('one'), alias('two')]);
  });

  it('refuses a file of another kind', () => {
    assert.throws(() => [...decodeRecords(Buffer.from('PK\x03\x04'))], reason('INVALID_FIELD'));
  });

  it('refuses a file that was cut anywhere inside a record', () => {
    const first = exportHeader().length + encodeRecord(alias('one')).length;
    for (let length = first + 1; length < file.length; length++)
      assert.throws(
        () => [...decodeRecords(file.subarray(0, length))],
        reason('CORRUPT'),
        `cut at ${length}`,
      );
  });
});

function reason(expected: string): (error: unknown) => boolean {
  return (error) => error instanceof ZmeshError && error.reason === expected;
}
