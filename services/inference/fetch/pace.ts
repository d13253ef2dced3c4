import type { FetchEvent } from './fetch-event.js';

/** Between two events of progress, milliseconds. */
const STEP_MS = 200;

/**
 * Turns bytes that come in into `download` events, a few a second. `startBytes` are those that were there before.
 * @returns what takes the file at work and the bytes that are there over all files.
 */
export function createPace(options: {
  readonly startBytes: number;
  readonly totalBytes: number;
  readonly onEvent: (event: FetchEvent) => void;
  /** Milliseconds of a clock that never goes back; default performance.now. */
  readonly now?: () => number;
}): (file: string, doneBytes: number) => void {
  const { startBytes, totalBytes, onEvent, now = () => performance.now() } = options;
  const started = now();
  let told = started;
  return (file, doneBytes) => {
    if (now() - told < STEP_MS) return;
    told = now();
    const bytesPerSecond = Math.max(0, doneBytes - startBytes) / ((told - started) / 1000);
    const secondsLeft = bytesPerSecond > 0 ? Math.max(0, totalBytes - doneBytes) / bytesPerSecond : null;
    onEvent({ type: 'download', file, doneBytes, totalBytes, bytesPerSecond, secondsLeft });
  };
}
