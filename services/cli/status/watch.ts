import { sleep } from '#shared/deadline.js';
import type { Io } from '../io.js';
import { writeJsonLine } from '../render/json.js';
import { figuresOf } from './figures.js';
import { figuresLine, renderFigures } from './render.js';
import { type Scrape, scrape } from './scrape.js';
import type { Target } from './targets.js';

/** How to watch. */
export interface WatchOptions {
  /** Asked before each scrape: processes come and go. */
  readonly targets: () => readonly Target[];
  readonly everyMs: number;
  /** Ends after so many; default at Ctrl-C. */
  readonly count?: number | undefined;
  readonly json: boolean;
}

/** Rates and times are of the last so many milliseconds. */
const WINDOW_MS = 10_000;
const HOME = '\x1b[H';
const CLEAR = '\x1b[2J';
const REST_OF_LINE = '\x1b[K';
const REST_OF_SCREEN = '\x1b[J';
const HIDE_CURSOR = '\x1b[?25l';
const SHOW_CURSOR = '\x1b[?25h';

/** Shows the figures again and again: drawn over themselves on a terminal, else a line each time, or JSON lines. */
export async function watchFigures(
  io: Pick<Io, 'out' | 'signal' | 'rows' | 'columns'>,
  options: WatchOptions,
): Promise<void> {
  const { targets, everyMs, count = Number.POSITIVE_INFINITY, json } = options;
  const drawn = io.rows !== undefined && !json;
  let past: readonly Scrape[] = [];
  if (drawn) io.out.write(HIDE_CURSOR + HOME + CLEAR);
  try {
    for (let shown = 0; shown < count && !io.signal.aborted; shown++) {
      const now = await scrape(targets());
      const figures = figuresOf(now, past[0]);
      if (json) writeJsonLine(io.out, figures);
      else if (drawn) io.out.write(frame(renderFigures(figures), io));
      else io.out.write(`${figuresLine(figures, new Date().toISOString().slice(11, 19))}\n`);
      past = [...past.filter(({ atMs }) => atMs > now.atMs - WINDOW_MS), now];
      if (shown + 1 < count) await sleep(everyMs, io.signal).catch(() => {});
    }
  } finally {
    if (drawn) io.out.write(SHOW_CURSOR);
  }
}

/**
 * A frame that fits: over what was there, without a blank screen in between, the cursor below it. Where there is little room
 * blank lines go first; a line that is cut ends with an ellipsis.
 */
function frame(text: string, { rows = 0, columns }: Pick<Io, 'rows' | 'columns'>): string {
  const room = Math.max(1, rows - 1);
  const all = text.trimEnd().split('\n');
  const lines = all.length > room ? all.filter((line) => line !== '') : all;
  const fitting = (line: string): string =>
    [...line].length <= columns ? line : `${[...line].slice(0, columns - 1).join('')}…`;
  const cut = lines.slice(0, room).map((line) => `${fitting(line)}${REST_OF_LINE}\n`);
  return `${HOME}${cut.join('')}${REST_OF_SCREEN}`;
}
