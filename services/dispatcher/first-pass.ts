import type { CacheUse, PassTiming, Usage } from '#proto/zmesh/v1/common.js';
import {
  type Classification,
  FirstPassBlend,
  FirstPassMode,
  type LabelProbability,
  type ReceiptArm,
} from '#proto/zmesh/v1/dispatcher.js';
import type { PassSummary, ServedModel } from '#proto/zmesh/v1/inference.js';
import { ZmeshError } from '#shared/errors.js';
import type { Inference } from '#shared/fleet/inference.js';
import { ARMS_MAX } from '#shared/svf/compose.js';
import { OTHER } from '#shared/svf/names.js';
import { recordFirstPass } from '#shared/telemetry/metrics.js';
import { SPAN, ZMESH } from '#shared/telemetry/semconv.js';
import { withSpan } from '#shared/telemetry/spans.js';
import { generateLabel } from './first-pass-generate.js';
import { scoreLabels } from './first-pass-score.js';
import { instructionFor } from './instruction.js';
import { armOf, baseArm } from './mixture.js';
import type { FirstPassSettings, Question } from './question.js';
import type { RoutedLabel } from './routing.js';
import { timingOf } from './timing.js';

/** What pass 1 needs beside the question. */
export interface FirstPassContext {
  readonly model: ServedModel;
  readonly inference: Inference;
  /** The labels to choose from, at least one; `other` comes on top. */
  readonly labels: readonly RoutedLabel[];
  readonly settings: FirstPassSettings;
  /** The classification expert; undefined = the unadapted model judges. */
  readonly classifier: { readonly exact: string; readonly requested: string } | undefined;
  /** Most tokens of a written label. */
  readonly labelTokensMax: number;
}

/** What a way of judging found: every label with its probability (in any order), and what it cost. */
export interface Judgement {
  readonly labels: readonly LabelProbability[];
  /** What the model wrote; empty where it only scored. */
  readonly written: string;
  readonly summary: PassSummary;
}

/** Outcome of pass 1. */
export interface FirstPassOutcome {
  readonly classification: Classification;
  /** The mixture it leads to; empty = the base. */
  readonly arms: readonly ReceiptArm[];
  readonly timing: PassTiming;
  readonly cache: CacheUse | undefined;
  readonly usage: Usage | undefined;
}

/** Runs pass 1: asks the model for the label of a question and makes a mixture of the answer. */
export async function firstPass(question: Question, context: FirstPassContext): Promise<FirstPassOutcome> {
  const startMs = performance.now();
  const { settings, labels, classifier, model } = context;
  refuseTooWideBlend(settings, labels.length);
  const attributes = {
    [ZMESH.STRATEGY]: question.strategy.kind,
    [ZMESH.STRATEGY_USED]: classifier ? 'classifier' : 'prompt',
  };
  return withSpan(SPAN.FIRST_PASS, { attributes }, async (span) => {
    const prompt = instructionFor(question.prompt, model, labels);
    const judge = settings.mode === 'score' ? scoreLabels : generateLabel;
    const { summary, ...judgement } = await judge({ ...question, prompt }, context);
    const timing = timingOf(summary, startMs);
    recordFirstPass({
      model: model.name,
      strategy: question.strategy.kind,
      durationMs: timing.totalMs,
      inputTokens: summary.usage?.promptTokens ?? 0,
      outputTokens: summary.usage?.completionTokens ?? 0,
    });
    const classification = classify(judgement, settings, classifier?.exact ?? '');
    span.setAttributes({
      [ZMESH.LABEL]: classification.label,
      [ZMESH.CONFIDENCE]: classification.confidence,
      [ZMESH.ABSTAINED]: classification.abstained,
    });
    return {
      classification,
      arms: armsFor(classification, labels),
      timing,
      cache: summary.cache,
      usage: summary.usage,
    };
  });
}

/** A blend has an arm for each label and one for the base: refused before pass 1 is paid for. */
function refuseTooWideBlend({ blend }: FirstPassSettings, labels: number): void {
  if (blend !== 'probability' || labels < ARMS_MAX) return;
  const message = `blending ${labels} labels and the base takes ${labels + 1} arms, a mixture has at most ${ARMS_MAX}; use the blend TOP`;
  throw new ZmeshError('BAD_MIXTURE', message, {
    field: 'strategy.first_pass.blend',
    limit: ARMS_MAX,
    value: labels + 1,
  });
}

function classify(
  { labels, written }: Omit<Judgement, 'summary'>,
  settings: FirstPassSettings,
  classifier: string,
): Classification {
  const ranked = [...labels].sort((a, b) => b.probability - a.probability);
  const { label, probability } = ranked[0]!;
  return {
    label,
    confidence: probability,
    abstained: probability < settings.abstainThreshold,
    abstainThreshold: settings.abstainThreshold,
    labels: ranked,
    mode: settings.mode === 'score' ? FirstPassMode.SCORE : FirstPassMode.GENERATE,
    blend: settings.blend === 'top' ? FirstPassBlend.TOP : FirstPassBlend.PROBABILITY,
    classifier,
    written,
  };
}

/** `other` and whatever is under the threshold is the base itself, in either blend: no arms, bit for bit. */
function armsFor(found: Classification, routed: readonly RoutedLabel[]): readonly ReceiptArm[] {
  if (found.label === OTHER || found.abstained) return [];
  const probabilities = new Map(found.labels.map(({ label, probability }) => [label, probability]));
  if (found.blend === FirstPassBlend.TOP) {
    return routed.filter(({ label }) => label === found.label).map((expert) => armOf(expert, 1));
  }
  return [
    ...routed.map((expert) => armOf(expert, probabilities.get(expert.label) ?? 0)),
    baseArm(probabilities.get(OTHER) ?? 0),
  ];
}
