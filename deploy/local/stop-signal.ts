/** npm passes a Ctrl-C on to its child, which the terminal has told already: both count as one. */
const REPEAT_MS = 1_500;

/** A stop request from outside, as an AbortSignal. */
export interface StopSignal {
  readonly signal: AbortSignal;
  /** Stops listening. */
  dispose(): void;
}

/**
 * Listens for SIGINT, SIGTERM and SIGHUP. The first aborts the signal; one that comes later than 1.5 s after it ends the
 * process at once with status 130 (its services then drain by themselves).
 */
export function listenForStop(say: (line: string) => void): StopSignal {
  const controller = new AbortController();
  let firstAt: number | undefined;
  const stop = (name: NodeJS.Signals): void => {
    if (firstAt === undefined) {
      firstAt = performance.now();
      controller.abort(new Error(`stopped by ${name}`));
    } else if (performance.now() - firstAt > REPEAT_MS) {
      say('not waiting any longer');
      process.exit(130);
    }
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, stop);
  return {
    signal: controller.signal,
    dispose() {
      for (const name of names) process.off(name, stop);
    },
  };
}
