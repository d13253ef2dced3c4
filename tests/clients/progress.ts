const BEAT_MS = 15_000;

/** Does `work` and tells on stderr that it began, every 15 s that it goes on, and how long it took. */
export async function withProgress<T>(what: string, work: () => Promise<T>): Promise<T> {
  const start = performance.now();
  const seconds = (): string => `${((performance.now() - start) / 1000).toFixed(0)} s`;
  process.stderr.write(`clients: ${what} …\n`);
  const beat = setInterval(() => process.stderr.write(`clients: ${what}: ${seconds()} so far …\n`), BEAT_MS);
  try {
    const result = await work();
    process.stderr.write(`clients: ${what}: done in ${seconds()}\n`);
    return result;
  } finally {
    clearInterval(beat);
  }
}
