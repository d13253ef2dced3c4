import { ZmeshError } from '#shared/errors.js';
import { oneLine } from '#shared/one-line.js';

/** Five faults of weights fit. */
const FAULT_LENGTH_MAX = 1200;

/** A GGUF file that is not sound, or that cannot be read faithfully. INVALID_FIELD, with the file and what is wrong. */
export function badGguf(
  file: string,
  fault: string,
  details: { limit?: number; value?: number; cause?: unknown } = {},
): ZmeshError {
  return new ZmeshError('INVALID_FIELD', `${file}: ${oneLine(fault, FAULT_LENGTH_MAX)}`, {
    ...details,
    names: { file },
  });
}
