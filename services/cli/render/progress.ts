import type { Io } from '../io.js';
import { formatMs } from './units.js';

const FIRST_SHOWN_MS = 500;
const LIVE_EVERY_MS = 100;
const PLAIN_EVERY_MS = 5_000;
const BAR_CELLS = 24;

/** A progress bar on stderr. */
export interface Progress {
  /** `done` of `total`, with a few words of what is at hand. */
  update(done: number, total: number, what: string): void;
  /** Removes the bar from a terminal. */
  end(): void;
}

/**
 * A progress bar that shows only if the work takes longer than half a second: drawn over itself on a terminal, else a
 * line every five seconds. The time left assumes that the rest goes as the part that is done.
 */
export function createProgress(io: Pick<Io, 'err' | 'live' | 'columns'>, now = Date.now): Progress {
  const start = now();
  const every = io.live ? LIVE_EVERY_MS : PLAIN_EVERY_MS;
  let shownAt = start + FIRST_SHOWN_MS - every;
  let drawn = false;
  return {
    update(done, total, what) {
      const time = now();
      if (time - shownAt < every) return;
      shownAt = time;
      const line = progressLine({ done, total, what, elapsedMs: time - start });
      if (io.live) io.err.write(`\r\x1b[2K${[...line].slice(0, io.columns - 1).join('')}`);
      else io.err.write(`${line}\n`);
      drawn = true;
    },
    end() {
      if (drawn && io.live) io.err.write('\r\x1b[2K');
    },
  };
}

/** Less than this tells nothing of the rest: the first of anything is slow. */
const SHARE_TOLD_MIN = 0.03;

/** One line: bar, share, time left, what. */
export function progressLine(state: {
  readonly done: number;
  readonly total: number;
  readonly what: string;
  readonly elapsedMs: number;
}): string {
  const share = state.total > 0 ? Math.min(1, state.done / state.total) : 0;
  const full = Math.round(share * BAR_CELLS);
  const left =
    share >= SHARE_TOLD_MIN && share < 1 ? `, ${formatMs((state.elapsedMs * (1 - share)) / share)} left` : '';
  return `[${'█'.repeat(full)}${'·'.repeat(BAR_CELLS - full)}] ${(share * 100).toFixed(0).padStart(3)} %${left}  ${state.what}`;
}
