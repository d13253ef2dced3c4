/** Writes the numbers of whole blocks to `out`; sizes agree by the caller's care. */
export type Dequantiser = (data: DataView, blocks: number, out: Float32Array) => void;

/** f16 to f64, exact. */
export function half(view: DataView, at: number): number {
  const bits = view.getUint16(at, true);
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const magnitude =
    exponent === 0
      ? fraction * 2 ** -24
      : exponent === 31
        ? fraction
          ? Number.NaN
          : Number.POSITIVE_INFINITY
        : (1024 + fraction) * 2 ** (exponent - 25);
  return bits & 0x8000 ? -magnitude : magnitude;
}
