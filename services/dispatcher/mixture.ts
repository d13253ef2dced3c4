import type { Mixture } from '#proto/zmesh/v1/common.js';
import type { ReceiptArm } from '#proto/zmesh/v1/dispatcher.js';
import { BASE, parseExpertName } from '#shared/svf/names.js';

/** The arm of one exact version with the same weight in every matrix. */
export function armOf(
  expert: { readonly exact: string; readonly requested: string },
  alpha: number,
): ReceiptArm {
  return { expert: expert.exact, requested: expert.requested, alpha, alphaPerMatrix: {} };
}

/** The base as an arm like the others (m = 1). */
export function baseArm(alpha: number): ReceiptArm {
  return { expert: BASE, requested: BASE, alpha, alphaPerMatrix: {} };
}

/** The arms as inference takes them: `expert@version` or `base`. No arms = the base model. */
export function mixtureOf(arms: readonly ReceiptArm[]): Mixture {
  return {
    arms: arms.map(({ expert, alpha, alphaPerMatrix }) => ({
      expert: withoutModel(expert),
      alpha,
      alphaPerMatrix,
    })),
  };
}

function withoutModel(exact: string): string {
  if (exact === BASE) return BASE;
  const { expert, selector } = parseExpertName(exact);
  return `${expert}@${selector}`;
}
