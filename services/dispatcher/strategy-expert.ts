import { armOf } from './mixture.js';
import { resolveTaskExpert } from './resolve.js';
import type { Strategy } from './strategy.js';

const FIELD = 'strategy.expert.expert';

/** One named expert. */
export const expert: Strategy<'expert'> = async (asked, question, context) => {
  const lookUp = (name: string) => context.lookUp(name, question);
  const found = await resolveTaskExpert(asked.expert, FIELD, { ...context, lookUp });
  return { used: 'expert', reason: '', arms: [armOf(found, 1)], firstPass: undefined };
};
