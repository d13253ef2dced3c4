import { setMaxListeners } from 'node:events';

/** A number of places for work that would disturb itself. */
export interface Slots {
  /** Runs `work` once a place is free. Rejects with the signal's reason if that comes first. */
  use<T>(signal: AbortSignal | undefined, work: () => Promise<T>): Promise<T>;
}

/** `count` places, given in the order of asking. */
export function createSlots(count: number): Slots {
  let free = count;
  const waiting: (() => void)[] = [];
  const enter = (signal: AbortSignal | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      const mine = (): void => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      const leave = (): void => {
        waiting.splice(waiting.indexOf(mine), 1);
        reject(signal?.reason);
      };
      signal?.addEventListener('abort', leave, { once: true });
      waiting.push(mine);
    });
  return {
    async use(signal, work) {
      signal?.throwIfAborted();
      // One signal may end many pieces of work; Node would take more than ten listeners for a leak.
      if (signal) setMaxListeners(0, signal);
      if (free > 0) free--;
      else await enter(signal);
      try {
        return await work();
      } finally {
        const next = waiting.shift();
        if (next) next();
        else free++;
      }
    },
  };
}
