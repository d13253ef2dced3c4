import type { Mixture } from '#proto/zmesh/v1/common.js';
import { withoutSpans } from '#shared/telemetry/quiet.js';
import { SPAN, ZMESH } from '#shared/telemetry/semconv.js';
import { withSpan } from '#shared/telemetry/spans.js';
import { answering } from './prune.js';
import type { ScoreTable } from './scores.js';
import type { SearchCost, SearchPlan, Wave } from './search.js';
import { candidateMixture } from './search.js';
import { type Alpha, alphaKey } from './space.js';

/** What a wave asks of the outside: RPCs in the service, exact little models in tests. */
export interface SearchTrials {
  /** The greedy answer to an example under a mixture. `text` undefined = its budget cut it off. */
  answer(
    example: number,
    mixture: Mixture,
    signal: AbortSignal,
  ): Promise<{ readonly text: string | undefined; readonly tokens: number }>;
  /** Mean log-likelihood a token of the example's reference under a mixture. */
  likelihood(example: number, mixture: Mixture, signal: AbortSignal): Promise<number>;
  /** True if an answer to the example is right. */
  verify(example: number, answer: string, signal: AbortSignal): Promise<boolean>;
  /** Runs jobs, as many at once as fill the engines. */
  all<T>(
    jobs: readonly T[],
    signal: AbortSignal,
    run: (job: T, signal: AbortSignal) => Promise<void>,
  ): Promise<void>;
}

interface Pair {
  readonly key: string;
  readonly mixture: Mixture;
  readonly example: number;
}

/**
 * Scores a wave into `table`: each distinct candidate on each example, as one set of rows, but for what is known. Where the
 * stage is `pruned`, the likelihood of the references is scored for all and, where the wave may be pruned, only the likelier half generates.
 */
export async function scoreWave(
  { space, stage }: SearchPlan,
  wave: Wave,
  {
    table,
    trials,
    signal,
  }: { readonly table: ScoreTable; readonly trials: SearchTrials; readonly signal: AbortSignal },
): Promise<SearchCost> {
  const mixtures = new Map(wave.candidates.map((alpha) => [alphaKey(alpha), candidateMixture(space, alpha)]));
  const pairs = (keys: Iterable<string>): Pair[] =>
    [...keys].flatMap((key) =>
      wave.examples.map((example) => ({ key, mixture: mixtures.get(key)!, example })),
    );
  if (stage !== 'generate') {
    const unscored = pairs(mixtures.keys()).filter(
      ({ key, example }) => table.get(key, example).logLikelihood === undefined,
    );
    await counted(SPAN.WAVE_SCORE, unscored, trials, signal, async ({ key, mixture, example }, stopped) => {
      table.set(key, example, { logLikelihood: await trials.likelihood(example, mixture, stopped) });
    });
  }
  if (stage === 'likelihood') return { generated: 0, naive: 0 };
  const generated = await generate(pairs(answering(wave, table)), { table, trials, signal });
  return { generated, naive: naiveTokens(wave, table) };
}

async function generate(
  pairs: readonly Pair[],
  {
    table,
    trials,
    signal,
  }: { readonly table: ScoreTable; readonly trials: SearchTrials; readonly signal: AbortSignal },
): Promise<number> {
  let generated = 0;
  const missing = pairs.filter(({ key, example }) => table.get(key, example).right === undefined);
  await counted(SPAN.WAVE_GENERATE, missing, trials, signal, async ({ key, mixture, example }, stopped) => {
    const { text, tokens } = await trials.answer(example, mixture, stopped);
    generated += tokens;
    table.set(key, example, {
      tokens,
      right: await isRight(text, example, { table, trials, signal: stopped }),
    });
  });
  return generated;
}

/** Runs a wave's calls inside one span that counts them. No call has spans of its own: there are thousands. */
async function counted(
  name: string,
  pairs: readonly Pair[],
  trials: SearchTrials,
  signal: AbortSignal,
  run: (pair: Pair, signal: AbortSignal) => Promise<void>,
): Promise<void> {
  if (pairs.length === 0) return;
  await withSpan(name, { attributes: { [ZMESH.CALLS]: pairs.length } }, () =>
    withoutSpans(() => trials.all(pairs, signal, run)),
  );
}

async function isRight(
  text: string | undefined,
  example: number,
  {
    table,
    trials,
    signal,
  }: { readonly table: ScoreTable; readonly trials: SearchTrials; readonly signal: AbortSignal },
): Promise<boolean> {
  if (text === undefined) return false;
  return table.verdict(example, text, () => trials.verify(example, text, signal));
}

/** Tokens of every candidate's answers, also those that were known; pruned ones count as the mean of the others. */
function naiveTokens({ candidates, examples }: Wave, table: ScoreTable): number {
  const tokens = (alpha: Alpha): number =>
    examples.reduce((sum, example) => sum + table.get(alphaKey(alpha), example).tokens, 0);
  const generated = candidates.map(tokens).filter((count) => count > 0);
  const mean = generated.reduce((sum, count) => sum + count, 0) / Math.max(1, generated.length);
  return Math.round(mean * candidates.length);
}
