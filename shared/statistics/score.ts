/** A reward in [-1, 1] as a score in [0, 1]: (1 + reward)/2. The mean score is the accuracy where rewards are ±1. */
export function scoreOf(reward: number): number {
  return (1 + reward) / 2;
}
