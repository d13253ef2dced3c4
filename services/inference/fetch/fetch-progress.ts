import {
  createProgressLine,
  formatSeconds,
  type ProgressOutput,
  progressBar,
} from '../model/progress-line.js';
import type { FetchEvent } from './fetch-event.js';

/** Between two lines of progress where lines cannot move, milliseconds. */
const PLAIN_STEP_MS = 10_000;

/**
 * Draws a fetch for people: on a terminal one line that moves, elsewhere a line every ten seconds.
 * @returns what takes the events.
 */
export function createFetchProgress(
  output: ProgressOutput,
  now: () => number = () => performance.now(),
): (event: FetchEvent) => void {
  const line = createProgressLine(output);
  let told = now();
  return (event) => {
    switch (event.type) {
      case 'fetch':
        line(describePlan(event), true);
        break;
      case 'download':
        if (!output.isTerminal && now() - told < PLAIN_STEP_MS) break;
        told = now();
        line(describeDownload(event), false);
        break;
      case 'note':
        line(event.message, true);
        break;
      case 'fetched':
        line(describeFetched(event), true);
        break;
    }
  };
}

/** `98.4 MB`, `3.21 GB`, `812 B`: powers of ten, as download pages count. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${Math.round(bytes)} B`;
  const [unit, name] = bytes < 999_950 ? [1e3, 'kB'] : bytes < 999_950_000 ? [1e6, 'MB'] : [1e9, 'GB'];
  const value = bytes / Number(unit);
  return `${value.toFixed(name === 'GB' ? 2 : 1)} ${name}`;
}

function describePlan(event: Extract<FetchEvent, { type: 'fetch' }>): string {
  const files = event.files === 1 ? '1 file' : `${event.files} files`;
  const earlier = event.reusedBytes > 0 ? `, ${formatBytes(event.reusedBytes)} are there already` : '';
  return `fetching ${event.from}: ${files}, ${formatBytes(event.totalBytes)}${earlier}, to ${event.folder}`;
}

function describeDownload(event: Extract<FetchEvent, { type: 'download' }>): string {
  const pace = event.bytesPerSecond > 0 ? `, ${formatBytes(event.bytesPerSecond)}/s` : '';
  const left = event.secondsLeft === null ? '' : `, ${formatSeconds(event.secondsLeft)} left`;
  const share = progressBar(event.totalBytes === 0 ? 1 : event.doneBytes / event.totalBytes);
  return `${share} ${formatBytes(event.doneBytes)} of ${formatBytes(event.totalBytes)}${pace}${left}, ${event.file}`;
}

function describeFetched(event: Extract<FetchEvent, { type: 'fetched' }>): string {
  if (!event.downloaded) return `${event.path} is there already (${formatBytes(event.bytes)})`;
  return `fetched and checked ${formatBytes(event.bytes)} in ${formatSeconds(event.seconds)}: ${event.path}`;
}
