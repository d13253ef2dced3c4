/**
 * One spelling for each decimal number, at any length: `007.50` and `7.5` give `7.5`, `-0` gives `0`. Binary floats would
 * call two long numbers equal. `text` is a sign or none, digits and at most one point.
 */
export function canonicalDecimal(text: string): string {
  const [, sign, whole = '', fraction = ''] = /^([-+]?)0*(\d*)(?:\.(\d*?)0*)?$/.exec(text) ?? [];
  const digits = fraction ? `${whole || '0'}.${fraction}` : whole || '0';
  return digits === '0' || sign !== '-' ? digits : `-${digits}`;
}
