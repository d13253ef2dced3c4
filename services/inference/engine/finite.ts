import { ZmeshError } from '#shared/errors.js';

/**
 * Checks a row's log Σ exp. Multipliers may be any size, so a mixture can drive the model out of f32's range: that is the
 * mixture's fault, told as BAD_MIXTURE, and never a token drawn from NaN.
 */
export function checkFinite(logSumExp: number): void {
  if (Number.isFinite(logSumExp)) return;
  throw new ZmeshError(
    'BAD_MIXTURE',
    `under this mixture the logits are not finite (log-sum-exp ${logSumExp})`,
    {
      field: 'mixture',
      value: String(logSumExp),
    },
  );
}
