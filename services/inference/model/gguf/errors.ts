import { ZmeshError } from '#shared/errors.js';

/** A GGUF file that is not sound, or that cannot be read faithfully. INVALID_FIELD, with the file and what is wrong. */
export function badGguf(
  file: string,
  fault: string,
  details: { limit?: number; value?: number; cause?: unknown } = {},
): ZmeshError {
  return new ZmeshError('INVALID_FIELD', `${file}: ${fault}`, { ...details, names: { file } });
}
