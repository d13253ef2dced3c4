/** A range of values. */
export interface Range {
  readonly low: number;
  readonly high: number;
}

/** An axis: what it shows, and from where to where if that is not left to the values. */
export interface AxisOptions {
  readonly label: string;
  readonly low?: number;
  readonly high?: number;
}

/** The smallest range with all finite values, widened where it would be empty; [0, 1] of nothing. */
export function rangeOf(values: Iterable<number>): Range {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return { low: 0, high: 1 };
  if (low < high) return { low, high };
  const around = Math.abs(low) / 10 || 1;
  return { low: low - around, high: high + around };
}

/** An axis's range: as it says, else that of the values with a twentieth to spare. */
export function axisRange(options: AxisOptions, values: Iterable<number>): Range {
  const { low, high } = rangeOf(values);
  const spare = (high - low) / 20;
  const range = { low: options.low ?? low - spare, high: options.high ?? high + spare };
  return range.high > range.low ? range : { low: range.low, high: range.low + 1 };
}

/** Where the ticks of a range are: multiples of 1, 2 or 5 times a power of ten, about `wanted` of them. */
export function ticks({ low, high }: Range, wanted = 6): number[] {
  const rough = (high - low) / Math.max(1, wanted);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step =
    [1, 2, 5, 10].map((factor) => factor * power).find((candidate) => candidate >= rough * (1 - 1e-9)) ??
    rough;
  const first = Math.ceil(low / step - 1e-9);
  const last = Math.floor(high / step + 1e-9);
  const decimals = Math.max(0, -Math.floor(Math.log10(step) + 1e-9));
  // Through a decimal text, or 3·0.1 would be 0.30000000000000004.
  return Array.from({ length: last - first + 1 }, (_, i) =>
    Number(((first + i) * step).toFixed(Math.min(100, decimals))),
  );
}

/** A tick's label: plain up to a million, `2e-5` for the very small and large; a real minus sign. */
export function tickLabel(value: number): string {
  const size = Math.abs(value);
  const plain = value === 0 || (size >= 1e-4 && size < 1e6);
  const written = plain ? String(Number(value.toPrecision(6))) : value.toExponential().replace('e+', 'e');
  return written.replaceAll('-', '−');
}
