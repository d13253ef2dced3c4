import type {
  GradientPart,
  GradientRuntime,
  GradientRuntimeOptions,
} from '#services/inference/runtime/gradient-runtime.js';

/** The token that ends the fake's thread. */
export const DEADLY_TOKEN = 13;

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
      if (part.targets.includes(DEADLY_TOKEN)) throw new Error('the fake meets its deadly token');
      const gradient = new Float32Array(part.rows);
      const spectra = spectraOfWanted(part);
      const logProbs = part.targets.map((token, i) => {
        const [row, s] = spectra[i]!;
        gradient[row]! += (part.logProbSeeds[i]! * -(token + 1)) / 100;
        if (kl !== 'none') gradient[row]! += part.klSeeds[i]! * 2 * (s - 2);
        return 0 * token;
      });
      const exact = Float32Array.from(logProbs, (_zero, i) => fakeLogProb(part.targets[i]!, spectra[i]![1]));
      return {
        logProbs: exact,
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
