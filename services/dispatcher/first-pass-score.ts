import { LogitsScope } from '#proto/zmesh/v1/inference.js';
import { ZmeshError } from '#shared/errors.js';
import { requireSummary } from '#shared/fleet/inference.js';
import { OTHER } from '#shared/svf/names.js';
import type { FirstPassContext, Judgement } from './first-pass.js';
import { armOf, mixtureOf } from './mixture.js';
import { passOptions } from './pass-options.js';
import type { Question } from './question.js';

/**
 * Judges in one forward pass: the log-likelihood of every label and the end of the turn, each as if it alone followed the
 * instruction; a softmax over the labels gives their probabilities.
 */
export async function scoreLabels(question: Question, context: FirstPassContext): Promise<Judgement> {
  const { inference, model, labels, classifier } = context;
  const choices = [...labels.map(({ label, exact }) => ({ label, exact })), { label: OTHER, exact: '' }];
  const { scores, summary } = await inference.score(
    {
      requestId: question.requestId,
      model: model.name,
      prompt: question.prompt,
      mixture: mixtureOf(classifier ? [armOf(classifier, 1)] : []),
      continuations: choices.map(({ label }) => ({
        input: { $case: 'text' as const, value: label },
        endOfTurn: true,
      })),
      logits: LogitsScope.NONE,
      topK: 0,
      priority: question.priority,
    },
    passOptions(question),
  );
  if (scores.length !== choices.length) {
    throw new ZmeshError('INTERNAL', `inference scored ${scores.length} of ${choices.length} labels`);
  }
  const likelihoods = scores.map((score) => score.logLikelihood);
  const probabilities = softmax(likelihoods);
  return {
    labels: choices.map(({ label, exact }, i) => ({
      label,
      probability: probabilities[i]!,
      logLikelihood: likelihoods[i],
      expert: exact,
    })),
    written: '',
    summary: requireSummary(summary),
  };
}

/** Shares that sum to 1 of numbers on a log scale. Throws INTERNAL where they are no log-likelihoods. */
export function softmax(logs: readonly number[]): number[] {
  const top = Math.max(...logs);
  if (!Number.isFinite(top))
    throw new ZmeshError('INTERNAL', `labels have no likelihood: ${logs.join(', ')}`);
  const weights = logs.map((log) => Math.exp(log - top));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  return weights.map((weight) => weight / total);
}
