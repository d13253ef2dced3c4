import { readdir, stat } from 'node:fs/promises';
import { extname, join } from 'node:path';
import type { Json } from '../item-faults.js';
import { type Row, rowsOf } from '../parse.js';
import { readText } from '../read-text.js';
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
    const entries = await readdir(path, { withFileTypes: true });
    entries.sort((a, b) => a.name.localeCompare(b.name, 'en', { numeric: true }));
    // Links to files are read; links to folders are not followed, since one of them may lead back here.
    for (const entry of entries)
      if (entry.isDirectory() || ROW_FILES.includes(extname(entry.name)))
        rows.push(...(await readRows(join(path, entry.name), rawFields)));
    return rows;
  }
  if (extname(path) === '.parquet') return await parquetRows(path);
  const text = await readText(path);
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
