import type {
  GradientPart,
  GradientRuntime,
  GradientRuntimeOptions,
} from '#services/inference/runtime/gradient-runtime.js';

/** The token at which a run fails. */
export const FAILING_TOKEN = 13;
/** The token at which the thread ends. */
export const DEADLY_TOKEN = 14;

/** log π of a token under spectrum s in the fake: −(token + 1)·s / 100. */
export const fakeLogProb = (token: number, s: number): number => (-(token + 1) * s) / 100;
/** KL of any token under spectrum s: (s − 2)². */
export const fakeKl = (s: number): number => (s - 2) ** 2;

/** A gradient runtime over a spectrum of one number, in closed form. `threads` = milliseconds of a part. */
export async function createFakeGradient(options: GradientRuntimeOptions<unknown>): Promise<GradientRuntime> {
  return {
    runBytes: (_, { rows, tokensPerRow }) => rows * tokensPerRow * 1000,
    async run(kl, part) {
      await new Promise((resolve) => setTimeout(resolve, options.threads));
      if (part.targets.includes(FAILING_TOKEN)) throw new Error('the fake meets its failing token');
      if (part.targets.includes(DEADLY_TOKEN)) process.exit(1);
      const gradient = new Float32Array(part.rows);
      const spectra = spectraOfWanted(part);
      for (const [i, token] of part.targets.entries()) {
        const [row, s] = spectra[i]!;
        gradient[row]! += (part.logProbSeeds[i]! * -(token + 1)) / 100;
        if (kl !== 'none') gradient[row]! += part.klSeeds[i]! * 2 * (s - 2);
      }
      return {
        logProbs: Float32Array.from(part.targets, (token, i) => fakeLogProb(token, spectra[i]![1])),
        kl: kl === 'none' ? null : Float32Array.from(spectra, ([, s]) => fakeKl(s)),
        gradient,
      };
    },
    async dispose() {},
  };
}

/** For each wanted token, its row and the row's spectrum. */
function spectraOfWanted(part: GradientPart): readonly (readonly [row: number, spectrum: number])[] {
  return [...part.positionsWanted].map((at) => {
    const row = Math.floor(at / part.tokensPerRow);
    return [row, part.spectra[row]!] as const;
  });
}
