/** What is subtracted from a reward: nothing; the mean of the other answers to the same question; the batch's mean. */
export type Baseline = 'none' | 'leave-one-out' | 'batch-mean';

/** What advantages are divided by: nothing, or their standard deviation over the batch. */
export type RewardScale = 'none' | 'deviation';

/**
 * Advantages of a batch's answers, by item and sample. `leave-one-out` needs two answers a question (W. Kool et al. 2019):
 * rᵢⱼ − mean of the question's other rewards, an unbiased baseline. `deviation`: the population's, over all answers; a batch
 * whose advantages are all equal is not divided.
 */
export function advantagesOf(
  rewards: readonly (readonly number[])[],
  baseline: Baseline,
  scale: RewardScale,
): number[][] {
  const batchMean = mean(rewards.flat());
  const centred = rewards.map((own) => {
    if (baseline === 'none') return [...own];
    if (baseline === 'batch-mean') return own.map((reward) => reward - batchMean);
    const total = own.reduce((sum, reward) => sum + reward, 0);
    return own.map((reward) => reward - (total - reward) / (own.length - 1));
  });
  if (scale === 'none') return centred;
  const spread = deviation(centred.flat());
  return spread < 1e-12 ? centred : centred.map((own) => own.map((advantage) => advantage / spread));
}

/** The mean; NaN of nothing. */
export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

/** The population's standard deviation. */
export function deviation(values: readonly number[]): number {
  const centre = mean(values);
  return Math.sqrt(mean(values.map((value) => (value - centre) ** 2)));
}
