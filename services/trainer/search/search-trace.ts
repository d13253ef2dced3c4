import { withoutSpans } from '#shared/telemetry/quiet.js';
import { GEN_AI, ZMESH } from '#shared/telemetry/semconv.js';
import { type Span, withSpan } from '#shared/telemetry/spans.js';
import { type SearchCost, type SearchPlan, type SearchState, type SearchStep, totalSteps } from './search.js';

/**
 * Most spans of steps in one trace. Each has at most two waves and the sending of its event below it, so that a search stays under
 * the 2000 spans of a trace that the local store keeps.
 */
const STEP_SPANS_MAX = 400;

/** How many steps in a row one span stands for: 1, or more where the search has more steps than spans. */
export function stepsPerSpan(plan: SearchPlan): number {
  return Math.ceil(totalSteps(plan) / STEP_SPANS_MAX);
}

/** What spans of steps tell. */
export interface StepSpan {
  /** Adds what a step cost. */
  spent(cost: SearchCost): void;
}

/** Runs steps in a span of their own, with their waves below it, or without where it stands for several steps. */
export function withStepSpan<T>(
  name: string,
  { steps, candidates }: { readonly steps: number; readonly candidates: number },
  run: (span: StepSpan) => Promise<T>,
): Promise<T> {
  const attributes = {
    [ZMESH.CANDIDATES]: candidates,
    ...(steps > 1 ? { [ZMESH.SEARCH_STEPS]: steps } : {}),
  };
  return withSpan(name, { attributes }, (span) => {
    const told = stepSpan(span);
    return steps > 1 ? withoutSpans(() => run(told)) : run(told);
  });
}

function stepSpan(span: Span): StepSpan {
  let [generated, naive] = [0, 0];
  return {
    spent(cost) {
      generated += cost.generated;
      naive += cost.naive;
      span.setAttribute(GEN_AI.USAGE_OUTPUT_TOKENS, generated);
      span.setAttribute(ZMESH.NAIVE_TOKENS, naive);
    },
  };
}

/** A step's name. */
export function stepName(step: SearchStep, { searches }: SearchState): string {
  if (step.kind === 'fixed') return 'fixed candidates';
  const where = step.search === 0 ? 'all examples' : `fold ${step.search}`;
  if (step.kind === 'held-out') return `left out of ${where}`;
  return `generation ${(searches[step.search]?.generation ?? 0) + 1} on ${where}`;
}
