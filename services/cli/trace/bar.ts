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

/** The axis's scale: `width` characters with the times at its start, quarters (if there is room) and end. */
export function drawScale(totalMs: number, width: number, format: (ms: number) => string): string {
  const line = Array.from({ length: Math.max(0, width) }, () => ' ');
  const place = (text: string, at: number): void => {
    if (at < 0 || at + text.length > width) return;
    for (let index = Math.max(0, at - 1); index <= Math.min(width - 1, at + text.length); index++) {
      if (line[index] !== ' ') return;
    }
    for (const [index, character] of [...text].entries()) line[at + index] = character;
  };
  const end = `${format(totalMs)} ms`;
  place('0', 0);
  place(end, width - end.length);
  for (const quarter of [0.5, 0.25, 0.75]) place(format(totalMs * quarter), Math.round(width * quarter));
  return line.join('');
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
