import { UsageError } from './command.js';

/** A number option; undefined if it was not given. Throws UsageError outside [min, max]. */
export function numberOption(
  name: string,
  text: string | undefined,
  range: { readonly min: number; readonly max: number; readonly integer?: true },
): number | undefined {
  if (text === undefined) return undefined;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  const kind = range.integer ? 'a whole number' : 'a number';
  if (!Number.isFinite(value) || (range.integer && !Number.isInteger(value)))
    throw new UsageError(`--${name} must be ${kind}, not "${text}"`);
  if (value < range.min || value > range.max)
    throw new UsageError(`--${name} must be from ${range.min} to ${range.max}, not ${text}`);
  return value;
}

/** An option with a closed list of values; undefined if it was not given. Throws UsageError. */
export function choiceOption<const C extends string>(
  name: string,
  text: string | undefined,
  choices: readonly C[],
): C | undefined {
  if (text === undefined) return undefined;
  const found = choices.find((choice) => choice === text);
  if (found === undefined) throw new UsageError(`--${name} can be ${choices.join(', ')}, not "${text}"`);
  return found;
}

/** A seed: a whole number below 2^64. Throws UsageError. */
export function seedOption(text: string | undefined): bigint | undefined {
  if (text === undefined) return undefined;
  if (!/^\d{1,20}$/.test(text) || BigInt(text) >= 2n ** 64n)
    throw new UsageError(`--seed must be a whole number below 2^64, not "${text}"`);
  return BigInt(text);
}
