import type { Fitness } from './cem.js';

/** What is known of one candidate on one example. */
export interface PairScore {
  /** True, false, or undefined while no answer was generated. */
  readonly right: boolean | undefined;
  /** Mean log-likelihood a token of the reference; undefined while it was not scored, or without one. */
  readonly logLikelihood: number | undefined;
  /** Tokens of the answer; 0 while none was generated. */
  readonly tokens: number;
}

/**
 * Everything that was ever scored, by candidate and example: nothing is computed twice, whichever fold or generation asks.
 * A verifier sees each answer of an example once, whoever gave it.
 */
export class ScoreTable {
  readonly #pairs = new Map<string, PairScore[]>();
  readonly #verdicts: Map<string, Promise<boolean>>[];
  readonly #examples: number;

  /** @param examples number of examples. */
  constructor(examples: number) {
    this.#examples = examples;
    this.#verdicts = Array.from({ length: examples }, () => new Map());
  }

  /** What is known of a pair. */
  get(candidate: string, example: number): PairScore {
    return this.#pairs.get(candidate)?.[example] ?? UNKNOWN;
  }

  /** Adds to what is known of a pair. */
  set(candidate: string, example: number, known: Partial<PairScore>): void {
    const row =
      this.#pairs.get(candidate) ?? Array.from({ length: this.#examples }, (): PairScore => UNKNOWN);
    row[example] = { ...row[example]!, ...known };
    this.#pairs.set(candidate, row);
  }

  /** The verdict on an answer to an example: `judge` is asked the first time alone, also while its first verdict is awaited. */
  verdict(example: number, answer: string, judge: () => Promise<boolean>): Promise<boolean> {
    const verdicts = this.#verdicts[example]!;
    const known = verdicts.get(answer);
    if (known) return known;
    const asked = judge();
    verdicts.set(answer, asked);
    asked.catch(() => verdicts.delete(answer));
    return asked;
  }

  /** Fitness of a candidate on some examples, all of which were scored; without an answer an example counts as wrong. */
  fitness(candidate: string, examples: readonly number[]): Fitness {
    const pairs = examples.map((example) => this.get(candidate, example));
    const likelihoods = pairs.flatMap(({ logLikelihood }) => logLikelihood ?? []);
    return {
      score: pairs.filter(({ right }) => right === true).length / pairs.length,
      logLikelihood:
        likelihoods.length === pairs.length
          ? likelihoods.reduce((sum, value) => sum + value, 0) / pairs.length
          : undefined,
    };
  }

  /** Takes back what `entries` gave. */
  restore(entries: readonly (readonly [string, readonly PairScore[]])[]): void {
    for (const [candidate, row] of entries) this.#pairs.set(candidate, [...row]);
  }

  /** Everything, to be kept. */
  entries(): readonly (readonly [string, readonly PairScore[]])[] {
    return [...this.#pairs];
  }

  /** Distinct candidates that something is known of. */
  get candidates(): number {
    return this.#pairs.size;
  }
}

const UNKNOWN: PairScore = Object.freeze({ right: undefined, logLikelihood: undefined, tokens: 0 });
