import { ZmeshError } from '#shared/errors.js';
import { oneLine } from '#shared/one-line.js';

/** A JSON object whose fields are read with checks; `file` is named in errors. */
export interface JsonFields {
  readonly file: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

/**
 * Parses a JSON file that must hold an object.
 * @throws ZmeshError INVALID_FIELD.
 */
export function parseJsonFields(file: string, text: string): JsonFields {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new ZmeshError('INVALID_FIELD', `${file} is not JSON: ${oneLine((error as Error).message)}`, {
      cause: error,
    });
  }
  return { file, fields: asObject(file, value) };
}

/** An object inside a JSON file, e.g. `rope_parameters`. */
export function nested(json: JsonFields, name: string, value: unknown): JsonFields {
  return { file: `${json.file}: ${name}`, fields: asObject(`${json.file}: ${name}`, value) };
}

/** A positive number; `fallback` where the field is missing or null. */
export function positive(json: JsonFields, name: string, fallback?: number): number {
  return checked(
    json,
    name,
    fallback,
    'a positive number',
    (value) => Number.isFinite(value) && Number(value) > 0,
  );
}

/** A positive integer; `fallback` where the field is missing or null. */
export function positiveInteger(json: JsonFields, name: string, fallback?: number): number {
  const wanted = 'a positive integer';
  return checked(json, name, fallback, wanted, (value) => Number.isSafeInteger(value) && Number(value) > 0);
}

/** A boolean; `fallback` where the field is missing or null. */
export function flag(json: JsonFields, name: string, fallback: boolean): boolean {
  return checked(json, name, fallback, 'true or false', (value) => typeof value === 'boolean');
}

/** A string; `fallback` where the field is missing or null. */
export function text(json: JsonFields, name: string, fallback?: string): string {
  return checked(json, name, fallback, 'a string', (value) => typeof value === 'string');
}

/** Token ids from a field that holds one, a list, null, or nothing. */
export function tokenIds(json: JsonFields, name: string): number[] {
  const value = json.fields[name] ?? [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  for (const id of ids) {
    if (!Number.isSafeInteger(id) || Number(id) < 0)
      throw badField(json, name, 'a token id or a list of them', value);
  }
  return ids as number[];
}

/** An INVALID_FIELD error that names file, field, what is wanted and what is there. */
export function badField(json: JsonFields, name: string, wanted: string, value: unknown): ZmeshError {
  const shown = value === undefined ? 'missing' : oneLine(JSON.stringify(value), 120);
  return new ZmeshError('INVALID_FIELD', `${json.file}: \`${name}\` must be ${wanted}, it is ${shown}`, {
    field: name,
    limit: wanted,
    value: shown,
  });
}

function checked<T>(
  json: JsonFields,
  name: string,
  fallback: T | undefined,
  wanted: string,
  test: (value: unknown) => boolean,
): T {
  const value = json.fields[name] ?? fallback;
  if (!test(value)) throw badField(json, name, wanted, json.fields[name]);
  return value as T;
}

function asObject(what: string, value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value))
    return value as Record<string, unknown>;
  throw new ZmeshError('INVALID_FIELD', `${what} is not a JSON object`);
}
