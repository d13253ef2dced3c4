import { ExpertGate } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';

/** Largest record of how a version came to be. */
const RECORD_BYTES_MAX = 8 * 1024 * 1024;

/** Checks that a record is a JSON object, or empty. Throws TOO_LARGE, INVALID_FIELD. */
export function checkRecord(record: Uint8Array): void {
  if (record.length === 0) return;
  const field = 'record';
  if (record.length > RECORD_BYTES_MAX) {
    const message = `record has ${record.length} bytes, the limit is ${RECORD_BYTES_MAX}`;
    throw new ZmeshError('TOO_LARGE', message, { field, limit: RECORD_BYTES_MAX, value: record.length });
  }
  try {
    const json: unknown = JSON.parse(new TextDecoder('utf8', { fatal: true }).decode(record));
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return;
  } catch (error) {
    throw new ZmeshError('INVALID_FIELD', `record: ${(error as Error).message}`, { field, cause: error });
  }
  throw new ZmeshError('INVALID_FIELD', 'record: must be a JSON object', { field });
}

/** Throws GATE_FAILED if no alias may point to a version because of how its held-out test ended. */
export function checkGate(name: string, gate: ExpertGate): void {
  if (gate !== ExpertGate.FAILED) return;
  const message = `${name} failed its held-out test; no alias can point to it`;
  throw new ZmeshError('GATE_FAILED', message, { names: { expert: name } });
}
