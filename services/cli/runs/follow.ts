import type { Run } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import type { Trainer } from '../clients.js';
import type { Io } from '../io.js';
import { stateName, stepHeader, stepLine } from './render.js';

/** How a run is followed. */
export interface FollowOptions {
  /** Prints nothing. */
  readonly quiet: boolean;
  /** Events behind this one. Default all. */
  readonly after?: bigint;
}

/** Prints a run's steps as they come, a table that grows, until the run is over; the run as it ended. */
export async function followRun(
  trainer: Pick<Trainer, 'watchRun'>,
  id: string,
  io: Io,
  { quiet, after = 0n }: FollowOptions,
): Promise<Run> {
  let last: Run | undefined;
  let headed = false;
  let told = '';
  let shown: number | undefined;
  for await (const { event } of trainer.watchRun({ id, afterSequence: after }, { signal: io.signal })) {
    if (event?.run) last = event.run;
    if (quiet || !event) continue;
    if (event.step) {
      if (!headed) io.out.write(stepHeader());
      headed = true;
      io.out.write(stepLine(event.step, { again: event.step.step === shown }));
      shown = event.step.step;
      continue;
    }
    const now = event.run ? stateName(event.run) : '';
    if (now !== told) io.err.write(`${now}\n`);
    told = now;
  }
  if (!last) throw new ZmeshError('INTERNAL', 'the trainer ended the watch without a word');
  return last;
}
