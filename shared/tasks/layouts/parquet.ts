import { asyncBufferFromFile, parquetReadObjects } from 'hyparquet';
import { ZmeshError } from '../../errors.js';
import type { Json } from '../item-faults.js';
import type { Row } from '../parse.js';

/**
 * The rows of a Parquet file, uncompressed or with Snappy, as the hubs write it. 64-bit whole numbers become numbers where
 * they are exact, else texts. Throws INVALID_FIELD for what cannot be read.
 */
export async function parquetRows(path: string): Promise<Row[]> {
  try {
    const rows = await parquetReadObjects({ file: await asyncBufferFromFile(path) });
    return rows.map((row, i) => ({ place: `${path}[${i}]`, json: plain(row) as Json }));
  } catch (error) {
    throw new ZmeshError('INVALID_FIELD', `${path} cannot be read as Parquet: ${(error as Error).message}`, {
      field: 'tasks',
      value: path,
      cause: error,
    });
  }
}

function plain(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null || value instanceof Date) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}
