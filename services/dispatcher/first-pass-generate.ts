import { FinishReason, Sampling } from '#proto/zmesh/v1/common.js';
import type { PassSummary } from '#proto/zmesh/v1/inference.js';
import { requireSummary } from '#shared/fleet/inference.js';
import { OTHER } from '#shared/svf/names.js';
import type { FirstPassContext, Judgement } from './first-pass.js';
import { armOf, mixtureOf } from './mixture.js';
import { passOptions } from './pass-options.js';
import type { Question } from './question.js';

/**
 * Judges as the paper does: the model writes the label, greedily. What it wrote must be one label and nothing else (white
 * space around it aside) and be over within the token limit; anything else counts as `other`. The label has probability 1.
 */
export async function generateLabel(question: Question, context: FirstPassContext): Promise<Judgement> {
  const { inference, model, labels, classifier, labelTokensMax } = context;
  const stream = inference.generateTokens(
    {
      requestId: question.requestId,
      model: model.name,
      prompt: question.prompt,
      mixture: mixtureOf(classifier ? [armOf(classifier, 1)] : []),
      sampling: Sampling.create({ temperature: 0, maxTokens: labelTokensMax }),
      n: 1,
      priority: question.priority,
    },
    passOptions(question),
  );
  let written = '';
  let whole = false;
  let summary: PassSummary | undefined;
  for await (const { event } of stream) {
    if (event?.$case === 'delta') written += event.value.text;
    else if (event?.$case === 'end') whole = event.value.finishReason === FinishReason.STOP;
    else if (event?.$case === 'summary') summary = event.value;
  }
  const choices = [...labels.map(({ label, exact }) => ({ label, exact })), { label: OTHER, exact: '' }];
  const said = whole && choices.some(({ label }) => label === written.trim()) ? written.trim() : OTHER;
  return {
    labels: choices.map(({ label, exact }) => ({
      label,
      probability: label === said ? 1 : 0,
      expert: exact,
    })),
    written,
    summary: requireSummary(summary),
  };
}
