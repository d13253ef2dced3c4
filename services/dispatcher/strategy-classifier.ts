import { ZmeshError } from '#shared/errors.js';
import { firstPass } from './first-pass.js';
import type { FirstPassSettings, Question } from './question.js';
import { exactName, resolveExpert } from './resolve.js';
import { noRoutedExperts, type RoutedLabel, type Routing, routingOf } from './routing.js';
import type { Choice, Strategy, StrategyContext } from './strategy.js';

const FIELD = 'strategy.classifier.expert';

/** The classification expert that judges. */
export interface Judge {
  readonly exact: string;
  readonly requested: string;
}

/**
 * Pass 1 by the model under the classification expert: the named one, else the one under the routed alias.
 * Throws NO_ROUTED_EXPERTS where there is no label to choose or nobody to choose it.
 */
export const classifier: Strategy<'classifier'> = async (asked, question, context) => {
  const { model, catalog, routedAlias } = context;
  const routing = routingOf(model, catalog, routedAlias);
  if (routing.labels.length === 0) throw noRoutedExperts(model, routedAlias);
  const judge =
    asked.expert === undefined
      ? publishedJudge(routing, routedAlias)
      : await namedJudge(asked.expert, question, context);
  if (!judge) {
    throw noRoutedExperts(model, routedAlias, `no classification expert is published as "${routedAlias}"`);
  }
  return chooseClassifier(asked.firstPass, question, { ...context, labels: routing.labels, judge });
};

/** As the strategy, with labels and a judge that are known to be there. */
export async function chooseClassifier(
  settings: FirstPassSettings,
  question: Question,
  context: StrategyContext & { readonly labels: readonly RoutedLabel[]; readonly judge: Judge },
): Promise<Choice> {
  const outcome = await firstPass(question, { ...context, settings, classifier: context.judge });
  return { used: 'classifier', reason: '', arms: outcome.arms, firstPass: outcome };
}

/** The classification expert under the routed alias; undefined if there is none. */
export function publishedJudge({ classifier: entry }: Routing, routedAlias: string): Judge | undefined {
  return entry && { exact: exactName(entry), requested: `${entry.expert}@${routedAlias}` };
}

async function namedJudge(name: string, question: Question, context: StrategyContext): Promise<Judge> {
  const lookUp = (exact: string) => context.lookUp(exact, question);
  const found = await resolveExpert(name, FIELD, { ...context, lookUp });
  if (found.entry?.classifier === false) {
    throw new ZmeshError('INVALID_FIELD', `${FIELD}: ${found.exact} is not a classification expert`, {
      field: FIELD,
      value: name,
    });
  }
  return found;
}
