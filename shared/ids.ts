import { createHash, randomUUID } from 'node:crypto';
import { ZmeshError } from './errors.js';

/** A new request id: a random UUID. */
export function newRequestId(): string {
  return randomUUID();
}

/**
 * A caller's request id, or a new one where it is empty.
 * Throws INVALID_FIELD unless it is 1 to 128 printable ASCII characters.
 */
export function requestIdOr(given: string): string {
  if (given === '') return newRequestId();
  if (!/^[\x21-\x7e]{1,128}$/.test(given)) {
    throw new ZmeshError('INVALID_FIELD', 'request_id must be 1 to 128 printable ASCII characters', {
      field: 'request_id',
      value: given.slice(0, 160),
    });
  }
  return given;
}

/** SHA-256 of the parts one after another, 64 hex digits. */
export function sha256Hex(...parts: readonly (Uint8Array | string)[]): string {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex');
}
