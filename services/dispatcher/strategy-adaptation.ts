import { ZmeshError } from '#shared/errors.js';
import { BASE } from '#shared/svf/names.js';
import { type ResolvedExpert, resolveExpert } from './resolve.js';
import type { Strategy } from './strategy.js';

const FIELD = 'strategy.adaptation.adaptation';

/** A published adaptation: its arms are exact versions, so nothing else is resolved. One that names the base has none. */
export const adaptation: Strategy<'adaptation'> = async (asked, question, context) => {
  const lookUp = (name: string) => context.lookUp(name, question);
  const found = await resolveExpert(asked.adaptation, FIELD, { ...context, lookUp });
  const arms = armsOf(found, asked.adaptation).map(({ expert, alpha, alphaPerMatrix }) => ({
    expert: expert === BASE ? BASE : `${context.model.name}/${expert}`,
    requested: expert,
    alpha,
    alphaPerMatrix,
  }));
  return { used: 'adaptation', reason: '', arms, firstPass: undefined, adaptation: found.exact };
};

function armsOf({ entry, exact }: ResolvedExpert, asked: string) {
  // Unlike an expert's vectors, the arms are nowhere but in the registry's view.
  if (!entry) {
    const message = `${exact} is not known here while the expert registry is away`;
    throw new ZmeshError('REGISTRY_UNAVAILABLE', message, { field: FIELD, retryAfterMs: 1000 });
  }
  if (entry.mixture) return entry.mixture.arms;
  const message = `${FIELD}: ${exact} is an expert, not an adaptation; use the strategy expert`;
  throw new ZmeshError('INVALID_FIELD', message, { field: FIELD, value: asked });
}
