import type { ImportEvent } from './import-event.js';
import { createProgressLine, formatSeconds, type ProgressOutput, progressBar } from './progress-line.js';

/**
 * Draws an import for people: on a terminal one line that moves, elsewhere plain lines, one for each matrix.
 * @returns what takes the events.
 */
export function createImportProgress(output: ProgressOutput): (event: ImportEvent) => void {
  const line = createProgressLine(output);
  return (event) => {
    switch (event.type) {
      case 'checkpoint':
        line(
          `${event.name}: ${event.architecture}, ${(event.parameters / 1e6).toFixed(1)} M parameters`,
          true,
        );
        break;
      case 'hash':
        if (output.isTerminal) line(`fingerprint ${progressBar(event.doneBytes / event.totalBytes)}`, false);
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

function describePlan({ adapt, matrices, reused, jobs }: Extract<ImportEvent, { type: 'plan' }>): string {
  const earlier = reused > 0 ? `, ${reused} are there already` : '';
  if (matrices === 0) return `no matrix to decompose (${adapt})${earlier}`;
  return `decomposing ${matrices} matrices (${adapt}), ${jobs} at a time${earlier}`;
}

function describeMatrix(event: Extract<ImportEvent, { type: 'matrix' }>, isTerminal: boolean): string {
  const left = event.secondsLeft === null ? '' : `, ${formatSeconds(event.secondsLeft)} left`;
  const count = `${event.done} of ${event.total}`;
  if (isTerminal)
    return `decomposing ${progressBar(event.share)} ${count}${event.done < event.total ? left : ''}`;
  const size = `${event.rows}×${event.columns}`;
  return `${count} ${event.name} ${size} in ${event.seconds.toFixed(2)} s, error ${event.error.toExponential(1)}${left}`;
}

function describeDone(event: Extract<ImportEvent, { type: 'done' }>): string {
  const what = event.reused ? 'is prepared and current' : `is prepared in ${formatSeconds(event.seconds)}`;
  const error = event.reconstructionError.toExponential(1);
  return `${event.name} ${what}: ${event.matrices} matrices, largest error ${error}, fingerprint ${event.fingerprint.slice(0, 12)}, ${event.folder}`;
}
