import { readdir, readFile, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Json } from '../item-faults.js';
import { type Row, rowsOf } from '../parse.js';
import { parquetRows } from './parquet.js';
import { withRawFields } from './raw-fields.js';

/** Endings of files that hold rows. */
export const ROW_FILES = ['.jsonl', '.json', '.parquet'];

/**
 * The rows of published data: a JSON Lines file, a JSON file (a list of objects, or one object), a Parquet file, or a folder
 * of such files, read in the order of their names through all its folders (numbers in names count as numbers).
 * `rawFields` stay as JSON text. Throws INVALID_FIELD for a Parquet file that cannot be read.
 */
export async function readRows(path: string, rawFields: readonly string[]): Promise<Row[]> {
  if ((await stat(path)).isDirectory()) {
    const rows: Row[] = [];
    for (const name of (await readdir(path)).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))) {
      const inside = join(path, name);
      const isRead = ROW_FILES.includes(extname(name)) || (await stat(inside)).isDirectory();
      if (isRead) rows.push(...(await readRows(inside, rawFields)));
    }
    return rows;
  }
  if (extname(path) === '.parquet') return await parquetRows(path);
  const text = await readFile(path, 'utf8');
  if (extname(path) === '.json') return jsonRows(text, path);
  if (rawFields.length === 0) return rowsOf(text, path);
  const lines = text.split('\n').map((line) => (line.trim() === '' ? '' : withRawFields(line, rawFields)));
  return rowsOf(lines.join('\n'), path);
}

function jsonRows(text: string, path: string): Row[] {
  try {
    const json: unknown = JSON.parse(text);
    if (!Array.isArray(json)) return [{ place: path, json: objectOr(json) }];
    return json.map((row: unknown, i) => ({ place: `${path}[${i}]`, json: objectOr(row) }));
  } catch (error) {
    return [{ place: path, json: `is not JSON: ${(error as Error).message}` }];
  }
}

function objectOr(json: unknown): Json | string {
  const isObject = typeof json === 'object' && json !== null && !Array.isArray(json);
  return isObject ? (json as Json) : 'must be a JSON object';
}
