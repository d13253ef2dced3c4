import { BinaryReader, BinaryWriter } from '@bufbuild/protobuf/wire';
import { RegistryRecord } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';

/** First bytes of an export: what it is and the version of its format. */
const MAGIC = Buffer.from('zmesh-registry-1\n');
const RECORD_MAX_BYTES = 256 * 1024 * 1024;

/** The first bytes of an export file. */
export function exportHeader(): Uint8Array {
  return MAGIC;
}

/** One record of an export file: its length as a varint, then the message. */
export function encodeRecord(record: RegistryRecord): Uint8Array {
  return new BinaryWriter().bytes(RegistryRecord.encode(record).finish()).finish();
}

/** The records of an export file. Throws INVALID_FIELD if it is not one, CORRUPT if it ends early or is damaged. */
export function* decodeRecords(file: Uint8Array): Generator<RegistryRecord> {
  if (!Buffer.from(file.subarray(0, MAGIC.length)).equals(MAGIC))
    throw new ZmeshError('INVALID_FIELD', 'this is not an export of a registry', { field: 'file' });
  const reader = new BinaryReader(file);
  reader.pos = MAGIC.length;
  for (let number = 1; reader.pos < reader.len; number++) {
    let bytes: Uint8Array;
    try {
      const length = reader.uint32();
      if (length > RECORD_MAX_BYTES || reader.pos + length > reader.len) throw new Error('it ends early');
      bytes = file.subarray(reader.pos, reader.pos + length);
      reader.pos += length;
      yield RegistryRecord.decode(bytes);
    } catch (error) {
      throw new ZmeshError(
        'CORRUPT',
        `record ${number} of the export is damaged: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
  }
}
