import {
  type Adaptation,
  AdaptationCandidate,
  type AdaptationProgress,
  type AdaptationResult,
  JobState,
  SearchStage,
} from '#proto/zmesh/v1/adaptation.js';
import { renderFacts, renderTable } from '../render/table.js';
import { shortName } from '../render/units.js';

/** A search's progress in a few words. */
export function renderAdaptationProgress(progress: AdaptationProgress): string {
  const { fold, folds, generation, generations, bestScore, generatedTokens } = progress;
  const where = fold === 0 ? 'all examples' : `fold ${fold}/${folds}`;
  const what =
    generation === 0
      ? 'fixed candidates'
      : `${where}, generation ${generation}/${generations}, best ${bestScore.toFixed(2)}`;
  return `${what}, ${generatedTokens} tokens`;
}

/** An adaptation in full. */
export function renderAdaptation(adaptation: Adaptation): string {
  const { result, progress } = adaptation;
  const facts = renderFacts([
    ['adaptation', result?.adaptation || `${adaptation.spec?.model}/${adaptation.spec?.name}`],
    ['job', adaptation.id],
    ['state', stateText(adaptation)],
    [
      'progress',
      progress && !result
        ? `${progress.done} of ${progress.total} steps: ${renderAdaptationProgress(progress)}`
        : '',
    ],
    ['examples', `${adaptation.examples}, SHA-256 ${adaptation.examplesSha256.slice(0, 12)}`],
    ['chosen', result?.statement ?? ''],
    ['mixture', result ? mixtureText(result) : ''],
    [
      'cost',
      result
        ? `${result.generatedTokens} tokens generated (${result.naiveTokens} without sharing), ${result.seconds.toFixed(1)} s${result.cutShort ? ', cut short' : ''}`
        : '',
    ],
  ]);
  const answered = adaptation.spec?.settings?.stage !== SearchStage.LIKELIHOOD;
  return result ? `${facts}\n${candidatesTable(result, { answered })}` : facts;
}

/** Adaptations as a table. */
export function renderAdaptations(adaptations: readonly Adaptation[]): string {
  return renderTable(
    [
      { title: 'job' },
      { title: 'name' },
      { title: 'state' },
      { title: 'examples', align: 'right' },
      { title: 'result' },
    ],
    adaptations.map((adaptation) => [
      adaptation.id,
      `${adaptation.spec?.model}/${adaptation.spec?.name}`,
      stateText(adaptation),
      String(adaptation.examples),
      adaptation.result ? mixtureText(adaptation.result) : '',
    ]),
  );
}

/** All candidates; where nothing was `answered`, none was right or wrong. */
function candidatesTable(
  { candidates, chosen, arms }: AdaptationResult,
  { answered }: { readonly answered: boolean },
): string {
  const signed = (value: number): string => `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(2)}`;
  return renderTable(
    [
      { title: 'candidate, left-out examples' },
      { title: 'right', align: 'right' },
      { title: '95 %' },
      { title: 'against base' },
      { title: 'log-likelihood', align: 'right' },
      { title: '' },
    ],
    candidates.map((one) => [
      one.expert === '' ? (KINDS.get(one.kind) ?? '') : shortName(one.expert),
      answered ? one.score.toFixed(2) : '–',
      answered ? `[${one.low.toFixed(2)}, ${one.high.toFixed(2)}]` : '–',
      one.kind === AdaptationCandidate.BASE
        ? ''
        : `${signed(one.difference)} [${signed(one.differenceLow)}, ${signed(one.differenceHigh)}]`,
      one.logLikelihood === undefined ? '' : one.logLikelihood.toFixed(3),
      one.kind === chosen && (one.kind !== AdaptationCandidate.EXPERT || one.expert === arms[0]?.expert)
        ? 'chosen'
        : '',
    ]),
  );
}

function mixtureText({ arms }: AdaptationResult): string {
  if (arms.length === 0) return 'base';
  return arms
    .map(({ expert, alpha, alphaPerMatrix }) => {
      const own = Object.keys(alphaPerMatrix).length;
      return `${Number(alpha.toFixed(3))} × ${shortName(expert)}${own > 0 ? `, own α in ${own} matrices` : ''}`;
    })
    .join(' + ');
}

/** Where a search is, and why it failed if it did. */
export function stateText({ state, failure }: Adaptation): string {
  const name = STATES.get(state) ?? String(state);
  return failure ? `${name}: ${failure.message} (${failure.reason})` : name;
}

const lower = (names: Readonly<Record<string, number>>): ReadonlyMap<number, string> =>
  new Map(Object.entries(names).map(([name, value]) => [value, name.toLowerCase()]));
const STATES = lower(JobState);
const KINDS = lower(AdaptationCandidate);
