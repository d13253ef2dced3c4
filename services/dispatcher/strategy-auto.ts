import { OTHER } from '#shared/svf/names.js';
import type { Question } from './question.js';
import { type Routing, routingOf } from './routing.js';
import type { Choice, Strategy, StrategyContext } from './strategy.js';
import { chooseClassifier, publishedJudge } from './strategy-classifier.js';
import { choosePrompt } from './strategy-prompt.js';

/** The best that is available: classifier, else prompt, else none; the reason says why. */
export const auto: Strategy<'auto'> = async (asked, question, context) => {
  const { model, catalog, routedAlias } = context;
  const obstacle = obstacleTo(question, context);
  if (obstacle !== undefined) return base(obstacle);
  const routing = routingOf(model, catalog, routedAlias);
  const { labels } = routing;
  if (labels.length === 0) return base(`no expert with a label is published as "${routedAlias}"`);
  const outdated = outdatedCategories(routing, routedAlias);
  const judge = outdated === undefined ? publishedJudge(routing, routedAlias) : undefined;
  const choice = judge
    ? await chooseClassifier(asked.firstPass, question, { ...context, labels, judge })
    : await choosePrompt(asked.firstPass, question, { ...context, labels });
  const reason = judge
    ? `${judge.requested} is the published classification expert`
    : (outdated ??
      `no classification expert is published as "${routedAlias}", but ${labels.length} experts with labels are`);
  return { ...choice, reason };
};

/** Why the published classification expert cannot be used: it was trained to write other labels than are published. */
function outdatedCategories({ labels, classifier }: Routing, routedAlias: string): string | undefined {
  const trained = classifier?.categories ?? [];
  if (trained.length === 0) return undefined;
  const published = [...labels.map(({ label }) => label), OTHER].sort();
  if (published.join() === [...trained].sort().join()) return undefined;
  return `${classifier?.expert}@${routedAlias} was trained on the labels ${trained.join(', ')}, published are ${published.join(', ')}: it must be trained again`;
}

/** Why this question cannot go through pass 1 at all. */
function obstacleTo({ prompt }: Question, { model }: StrategyContext): string | undefined {
  if (prompt.input?.$case === 'tokens') return 'token ids cannot be put into the instruction of pass 1';
  if (!model.hasChatTemplate) return `${model.name} has no chat template for the instruction of pass 1`;
  return undefined;
}

function base(reason: string): Choice {
  return { used: 'none', reason, arms: [], firstPass: undefined };
}
