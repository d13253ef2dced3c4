import { readFileSync } from 'node:fs';
import type { Setting, SettingsTable } from './config.js';

/** Longest settings file, bytes. */
const FILE_BYTES_MAX = 1024 * 1024;

/**
 * Reads a JSON file `{ "<setting's name>": value, … }` and gives the values as the texts that the environment would hold, by
 * name. Numbers, booleans and lists (arrays of strings) are written as such. Pushes one line for each fault.
 */
export function readSettingsFile(
  path: string,
  table: SettingsTable,
  faults: string[],
): ReadonlyMap<string, string> {
  const texts = new Map<string, string>();
  const content = parseFile(path, faults);
  for (const [name, value] of Object.entries(content ?? {})) {
    const setting = Object.hasOwn(table, name) ? table[name] : undefined;
    if (!setting) {
      faults.push(`${path}: ${name}: no such setting; --help lists them`);
      continue;
    }
    const text = textOf(setting, value);
    if (text === undefined) faults.push(`${path}: ${name}: must be ${KINDS[setting.type]}`);
    else texts.set(name, text);
  }
  return texts;
}

const KINDS: Readonly<Record<Setting['type'], string>> = {
  integer: 'a number',
  number: 'a number',
  boolean: 'true or false',
  string: 'a text',
  choice: 'a text',
  list: 'a list of texts without commas',
};

function parseFile(path: string, faults: string[]): Readonly<Record<string, unknown>> | undefined {
  try {
    const bytes = readFileSync(path);
    if (bytes.length > FILE_BYTES_MAX)
      throw new Error(`${bytes.length} bytes, the limit is ${FILE_BYTES_MAX}`);
    const value: unknown = JSON.parse(bytes.toString('utf8'));
    if (typeof value === 'object' && value !== null && !Array.isArray(value))
      return value as Readonly<Record<string, unknown>>;
    throw new Error('not a JSON object');
  } catch (error) {
    faults.push(`${path}: cannot be read as settings: ${(error as Error).message}`);
    return undefined;
  }
}

function textOf(setting: Setting, value: unknown): string | undefined {
  switch (setting.type) {
    case 'integer':
    case 'number':
      return typeof value === 'number' ? String(value) : undefined;
    case 'boolean':
      return typeof value === 'boolean' ? String(value) : undefined;
    case 'list': {
      const valid =
        Array.isArray(value) && value.every((item) => typeof item === 'string' && !item.includes(','));
      return valid ? value.join(',') : undefined;
    }
    case 'string':
    case 'choice':
      return typeof value === 'string' ? value : undefined;
  }
}
