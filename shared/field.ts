import { type ErrorDetails, type Reason, ZmeshError } from '#shared/errors.js';

/** An error about one field of a request. */
export function fault(
  field: string,
  what: string,
  details: Omit<ErrorDetails, 'field'> = {},
  reason: Reason = 'INVALID_FIELD',
): ZmeshError {
  return new ZmeshError(reason, `${field}: ${what}`, { field, ...details });
}

/** A range of numbers; `open` = the lower bound is not in it. */
export interface Range {
  readonly min: number;
  readonly max: number;
  readonly open?: boolean;
}

/** Checks that a number lies in a range (so is not NaN). Throws INVALID_FIELD. */
export function inRange(field: string, value: number, { min, max, open = false }: Range): number {
  if (value <= max && (open ? value > min : value >= min)) return value;
  const limit = `${open ? '(' : '['}${min}, ${max}]`;
  throw fault(field, `must be in ${limit}, not ${value}`, { limit, value });
}

/** Checks that tokens fit the context. Throws CONTEXT_EXCEEDED with both numbers. */
export function checkContext(field: string, what: string, tokens: number, contextLength: number): void {
  if (tokens <= contextLength) return;
  throw fault(
    field,
    `${what} take ${tokens} tokens; the model's context holds ${contextLength}`,
    { limit: contextLength, value: tokens },
    'CONTEXT_EXCEEDED',
  );
}
