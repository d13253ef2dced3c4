import type { ReceiptArm } from '#proto/zmesh/v1/dispatcher.js';
import { checkArms } from '#shared/svf/compose.js';
import { BASE } from '#shared/svf/names.js';
import { resolveTaskExpert } from './resolve.js';
import type { Strategy } from './strategy.js';

const FIELD = 'strategy.mixture.mixture.arms';

/** A mixture the caller gives. Its weights are checked after the names: two names may be one version. */
export const mixture: Strategy<'mixture'> = async (asked, question, context) => {
  const lookUp = (name: string) => context.lookUp(name, question);
  const arms: ReceiptArm[] = [];
  for (const [i, { expert, alpha, alphaPerMatrix }] of asked.arms.entries()) {
    const found =
      expert === BASE
        ? { exact: BASE, requested: BASE }
        : await resolveTaskExpert(expert, `${FIELD}[${i}].expert`, { ...context, lookUp });
    arms.push({ expert: found.exact, requested: found.requested, alpha, alphaPerMatrix });
  }
  checkArms(
    arms.map(({ expert, alpha, alphaPerMatrix }) => ({
      name: expert,
      alpha,
      alphaPerMatrix: new Map(Object.entries(alphaPerMatrix)),
    })),
    FIELD,
  );
  return { used: 'mixture', reason: '', arms, firstPass: undefined };
};
