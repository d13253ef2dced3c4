import type { ImportEvent } from './import-event.js';

/** Width of the bar in characters. */
const BAR_WIDTH = 24;

/** Where lines go. `replaceable` lines give way to the next one on a terminal. */
export interface ProgressOutput {
  readonly isTerminal: boolean;
  write(text: string): void;
}

/**
 * Draws an import for people: on a terminal one line that moves, elsewhere plain lines, one for each matrix.
 * @returns what takes the events.
 */
export function createImportProgress(output: ProgressOutput): (event: ImportEvent) => void {
  let moving = false;
  const line = (text: string, stays: boolean): void => {
    if (!output.isTerminal) output.write(`${text}\n`);
    else output.write(`${moving ? '\r\x1b[2K' : ''}${text}${stays ? '\n' : ''}`);
    moving = !stays;
  };
  return (event) => {
    switch (event.type) {
      case 'checkpoint':
        line(
          `${event.name}: ${event.architecture}, ${(event.parameters / 1e6).toFixed(1)} M parameters`,
          true,
        );
        break;
      case 'hash':
        if (output.isTerminal) line(`fingerprint ${bar(event.doneBytes / event.totalBytes)}`, false);
        break;
      case 'plan':
        line(describePlan(event), true);
        break;
      case 'matrix':
        line(describeMatrix(event, output.isTerminal), false);
        break;
      case 'done':
        line(describeDone(event), true);
        break;
      case 'error':
        line(`error: ${event.message} (${event.reason})`, true);
        break;
    }
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

function describePlan({ adapt, matrices, reused, jobs }: Extract<ImportEvent, { type: 'plan' }>): string {
  const earlier = reused > 0 ? `, ${reused} are there already` : '';
  if (matrices === 0) return `no matrix to decompose (${adapt})${earlier}`;
  return `decomposing ${matrices} matrices (${adapt}), ${jobs} at a time${earlier}`;
}

function describeMatrix(event: Extract<ImportEvent, { type: 'matrix' }>, isTerminal: boolean): string {
  const left = event.secondsLeft === null ? '' : `, ${formatSeconds(event.secondsLeft)} left`;
  const count = `${event.done} of ${event.total}`;
  if (isTerminal) return `decomposing ${bar(event.share)} ${count}${event.done < event.total ? left : ''}`;
  const size = `${event.rows}×${event.columns}`;
  return `${count} ${event.name} ${size} in ${event.seconds.toFixed(2)} s, error ${event.error.toExponential(1)}${left}`;
}

function describeDone(event: Extract<ImportEvent, { type: 'done' }>): string {
  const what = event.reused ? 'is prepared and current' : `is prepared in ${formatSeconds(event.seconds)}`;
  const error = event.reconstructionError.toExponential(1);
  return `${event.name} ${what}: ${event.matrices} matrices, largest error ${error}, fingerprint ${event.fingerprint.slice(0, 12)}, ${event.folder}`;
}

function bar(share: number): string {
  const full = Math.round(share * BAR_WIDTH);
  return `[${'█'.repeat(full)}${'░'.repeat(BAR_WIDTH - full)}] ${Math.round(share * 100)} %`;
}
