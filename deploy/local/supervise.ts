import { setTimeout as sleep } from 'node:timers/promises';

/** One life of a supervised process. */
export interface Incarnation {
  readonly pid: number;
  /** Where it is called; undefined if it is not. */
  readonly address: string | undefined;
  /** Where its metrics and probes are, `host:port`. */
  readonly httpAddress?: string | undefined;
  /** Resolves with a few words when it is gone, however that came about. */
  readonly exited: Promise<string>;
  /** Stops it and waits until it is gone. */
  stop(): Promise<void>;
}

/** When a process that ended is started again. */
export interface RestartPolicy {
  /** Wait before the first restart, doubled each time. */
  readonly delayMs: number;
  readonly delayMaxMs: number;
  /** More restarts than this within `windowMs` and it is given up. */
  readonly restartsMax: number;
  readonly windowMs: number;
}

/** At most five restarts a minute, from a quarter of a second apart to eight. */
export const RESTART_POLICY: RestartPolicy = {
  delayMs: 250,
  delayMaxMs: 8_000,
  restartsMax: 5,
  windowMs: 60_000,
};

/** A process that is kept alive. */
export interface Supervised {
  readonly name: string;
  /** Its present life, or the last one while it is being started again. */
  current(): Incarnation;
  /** Resolves with one line if it was given up. */
  readonly lost: Promise<string>;
  /** Stops it for good. */
  stop(): Promise<void>;
}

/**
 * Starts a process and keeps it alive: whenever it ends it is started again at the same addresses, with growing pauses,
 * until it ends too often. Rejects if the first start fails.
 */
export async function supervise(options: {
  readonly name: string;
  /** Starts one life; `before` is the one that it follows, whose addresses it takes. */
  readonly start: (before: Incarnation | undefined) => Promise<Incarnation>;
  readonly say: (line: string) => void;
  /** Told after each restart. */
  readonly restarted?: () => void;
  readonly policy?: RestartPolicy;
}): Promise<Supervised> {
  const { name, start, say, restarted = () => {}, policy = RESTART_POLICY } = options;
  let current = await start(undefined);
  const stopping = new AbortController();
  const restarts: number[] = [];

  /** Undefined if it was stopped; else why it is given up. */
  const keepAlive = async (): Promise<string | undefined> => {
    let how = await current.exited;
    while (!stopping.signal.aborted) {
      const now = performance.now();
      while (restarts[0] !== undefined && now - restarts[0] > policy.windowMs) restarts.shift();
      if (restarts.length >= policy.restartsMax)
        return `${name} ended (${how}) after ${restarts.length} restarts within ${policy.windowMs / 1000} s: given up`;
      const delayMs = Math.min(policy.delayMaxMs, policy.delayMs * 2 ** restarts.length);
      restarts.push(now);
      say(`${name} ended (${how}); starting it again in ${delayMs} ms`);
      await sleep(delayMs, undefined, { signal: stopping.signal }).catch(() => {});
      if (stopping.signal.aborted) return undefined;
      try {
        current = await start(current);
        if (stopping.signal.aborted) return undefined;
        say(`${name} runs again (process ${current.pid})`);
        restarted();
        how = await current.exited;
      } catch (error) {
        how = error instanceof Error ? error.message : String(error);
      }
    }
    return undefined;
  };
  const ended = keepAlive();
  return {
    name,
    current: () => current,
    lost: ended.then((why) => why ?? new Promise<string>(() => {})),
    async stop() {
      stopping.abort();
      await current.stop();
      await ended;
      // A life that began while the stop was under way.
      await current.stop();
    },
  };
}
