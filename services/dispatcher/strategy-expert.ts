import { armOf } from './mixture.js';
import { resolveExpert } from './resolve.js';
import type { Strategy } from './strategy.js';

/** One named expert. */
export const expert: Strategy<'expert'> = async (asked, question, context) => {
  const lookUp = (name: string) => context.lookUp(name, question);
  const found = await resolveExpert(asked.expert, 'strategy.expert.expert', { ...context, lookUp });
  return { used: 'expert', reason: '', arms: [armOf(found, 1)], firstPass: undefined };
};
