/** Width of the bar in characters. */
const BAR_WIDTH = 24;

/** Where lines go. */
export interface ProgressOutput {
  readonly isTerminal: boolean;
  write(text: string): void;
}

/**
 * Writes lines for people: on a terminal a line that does not stay gives way to the next one, elsewhere every line stays.
 * @returns what takes a line and whether it stays.
 */
export function createProgressLine(output: ProgressOutput): (text: string, stays: boolean) => void {
  let moving = false;
  return (text, stays) => {
    if (!output.isTerminal) output.write(`${text}\n`);
    else output.write(`${moving ? '\r\x1b[2K' : ''}${text}${stays ? '\n' : ''}`);
    moving = !stays;
  };
}

/** `1 h 05 min`, `3 min 20 s`, `12 s`. */
export function formatSeconds(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (value: number): string => String(value).padStart(2, '0');
  if (whole < 60) return `${whole} s`;
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${two(whole % 60)} s`;
  return `${Math.floor(whole / 3600)} h ${two(Math.floor((whole % 3600) / 60))} min`;
}

/** A share from 0 to 1 as a bar with its per cent. */
export function progressBar(share: number): string {
  const full = Math.round(share * BAR_WIDTH);
  return `[${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}] ${Math.round(share * 100)} %`;
}
