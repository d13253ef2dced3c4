import { firstPass } from './first-pass.js';
import type { FirstPassSettings, Question } from './question.js';
import { noRoutedExperts, type RoutedLabel, routingOf } from './routing.js';
import type { Choice, Strategy, StrategyContext } from './strategy.js';

/** Pass 1 by the unadapted model. Throws NO_ROUTED_EXPERTS where there is no label to choose. */
export const prompt: Strategy<'prompt'> = async (asked, question, context) => {
  const { labels } = routingOf(context.model, context.catalog, context.routedAlias);
  if (labels.length === 0) throw noRoutedExperts(context.model, context.routedAlias);
  return choosePrompt(asked.firstPass, question, { ...context, labels });
};

/** As the strategy, with labels that are known to be there. */
export async function choosePrompt(
  settings: FirstPassSettings,
  question: Question,
  context: StrategyContext & { readonly labels: readonly RoutedLabel[] },
): Promise<Choice> {
  const outcome = await firstPass(question, { ...context, settings, classifier: undefined });
  return { used: 'prompt', reason: '', arms: outcome.arms, firstPass: outcome };
}
