import type { Writable } from 'node:stream';

/** Writes one value as indented JSON; 64-bit integers become strings. */
export function writeJson(out: Writable, value: unknown): void {
  out.write(`${JSON.stringify(value, bigintAsText, 2)}\n`);
}

/** Writes one value as a line of JSON, for streams. */
export function writeJsonLine(out: Writable, value: unknown): void {
  out.write(`${JSON.stringify(value, bigintAsText)}\n`);
}

function bigintAsText(_key: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString() : value;
}
