import type { MetadataValue } from './cursor.js';
import { badGguf } from './errors.js';
import type { GgufHeader } from './header.js';

/** Typed access to a file's metadata; every fault names the file and the key. */
export interface Metadata {
  readonly file: string;
  has(key: string): boolean;
  /** `fallback` where the key is missing; without one a missing key is refused. */
  number(key: string, fallback?: number): number;
  string(key: string, fallback?: string): string;
  boolean(key: string, fallback: boolean): boolean;
  strings(key: string): readonly string[];
  numbers(key: string): readonly number[];
}

/** Typed access to a header's metadata. Throws INVALID_FIELD for a missing key or another type. */
export function metadataOf(header: GgufHeader, file: string): Metadata {
  const read = <T>(key: string, wanted: string, fits: (value: MetadataValue) => boolean, fallback?: T): T => {
    const value = header.metadata.get(key);
    if (value === undefined && fallback !== undefined) return fallback;
    if (value === undefined) throw badGguf(file, `metadata "${key}" is missing`);
    if (!fits(value)) throw badGguf(file, `metadata "${key}" is not ${wanted}`);
    return value as T;
  };
  const isNumber = (value: unknown): boolean => typeof value === 'number' && Number.isFinite(value);
  const isString = (value: unknown): boolean => typeof value === 'string';
  return {
    file,
    has: (key) => header.metadata.has(key),
    number: (key, fallback) => read(key, 'a number', isNumber, fallback),
    string: (key, fallback) => read(key, 'a string', isString, fallback),
    boolean: (key, fallback) => read(key, 'true or false', (value) => typeof value === 'boolean', fallback),
    strings: (key) =>
      read(key, 'a list of strings', (value) => Array.isArray(value) && value.every(isString)),
    numbers: (key) =>
      read(key, 'a list of numbers', (value) => Array.isArray(value) && value.every(isNumber)),
  };
}
