const EIGHTHS = ['', '▏', '▎', '▍', '▌', '▋', '▊', '▉'];

/** Where a bar lies on its axis, and how it looks. */
export interface Bar {
  /** Milliseconds from the axis's start. */
  readonly startMs: number;
  readonly durationMs: number;
  /** What it is filled with. `solid` ends on an eighth of a cell, textures on a whole one. */
  readonly fill: 'solid' | '░' | '▒';
}

/** A bar on an axis of `width` cells that stands for `totalMs`: `width` characters, the shortest bar still visible. */
export function drawBar(bar: Bar, totalMs: number, width: number): string {
  if (width <= 0) return '';
  const scale = totalMs > 0 ? (width * 8) / totalMs : 0;
  const start = clamp(Math.round(bar.startMs * scale), 0, width * 8 - 1);
  const end = clamp(Math.round((bar.startMs + bar.durationMs) * scale), start + 1, width * 8);
  const first = Math.floor(start / 8);
  if (bar.fill !== 'solid') {
    const length = Math.max(1, Math.ceil(end / 8) - first);
    return ' '.repeat(first) + bar.fill.repeat(length) + ' '.repeat(width - first - length);
  }
  const whole = Math.floor(end / 8) - first;
  const drawn = '█'.repeat(whole) + (EIGHTHS[end % 8] ?? '');
  return ' '.repeat(first) + drawn + ' '.repeat(width - first - [...drawn].length);
}

/** The axis's scale: `width` characters with the times at its start and end, its middle from 22 cells on, its quarters from 44. */
export function drawScale(totalMs: number, width: number, format: (ms: number) => string): string {
  const end = `${format(totalMs)} ms`;
  const shares = width >= 44 ? [0, 0.25, 0.5, 0.75] : width >= 22 ? [0, 0.5] : [0];
  let line = '';
  for (const share of shares) {
    const longer = line.padEnd(Math.round(width * share)) + (share === 0 ? '0' : format(totalMs * share));
    if (longer.length + end.length < width) line = longer;
  }
  return line.padEnd(width - end.length).slice(0, Math.max(0, width - end.length)) + end.slice(0, width);
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
