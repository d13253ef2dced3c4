import { Run, type RunEvent } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import { resumedEvents } from '#shared/rpc/resumed-events.js';
import type { Trainer } from '../clients.js';
import { EXIT } from '../exit-codes.js';
import type { Io } from '../io.js';
import { PATIENCE_MS } from '../patience.js';
import { writeJson } from '../render/json.js';
import { renderRunResult, stateName, stepHeader, stepLine } from './render.js';

/**
 * Follows a run to its end and prints what came out, its steps before unless `json` asks for the run alone. Ctrl-C leaves the run alone.
 * @returns the exit code: a failure for a run that published nothing.
 */
export async function followRun(
  trainer: Pick<Trainer, 'watchRun' | 'getRun'>,
  id: string,
  io: Io,
  { json }: { readonly json: boolean },
): Promise<number> {
  try {
    await printSteps(trainer, id, io, { quiet: json });
  } catch (error) {
    if (!io.signal.aborted) throw error;
    io.err.write(
      `the run goes on: "zmesh runs watch ${id}" comes back to it, "zmesh runs cancel ${id}" ends it\n`,
    );
    return EXIT.interrupted;
  }
  const { run } = await trainer.getRun({ id }, { signal: io.signal });
  if (!run) throw new ZmeshError('INTERNAL', 'the trainer sent no run');
  if (json) writeJson(io.out, Run.toJSON(run));
  else io.out.write(renderRunResult(run));
  return run.failure || run.expert === '' ? EXIT.failure : EXIT.ok;
}

/** Prints a run's steps as they come, a table that grows, until the run is over. */
async function printSteps(
  trainer: Pick<Trainer, 'watchRun'>,
  id: string,
  io: Io,
  { quiet }: { readonly quiet: boolean },
): Promise<void> {
  let heard = false;
  let headed = false;
  let told = '';
  let shown: number | undefined;
  const { signal } = io;
  const events = resumedEvents<RunEvent>({
    open: (afterSequence) => trainer.watchRun({ id, afterSequence }, { signal }),
    patienceMs: PATIENCE_MS,
    signal,
    onLost: () => io.err.write(`the trainer is away; the run ${id} goes on where another one is\n`),
    onBack: () => io.err.write('the trainer is back\n'),
  });
  for await (const event of events) {
    heard = true;
    if (quiet) continue;
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
  if (!heard) throw new ZmeshError('INTERNAL', 'the trainer ended the watch without a word');
}
