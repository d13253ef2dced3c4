/**
 * `npm run chaos -- [--seed 1] [--rounds 2] [--only kills,overload,half-open,clock,upgrade] [--older DIR]`: faults and overload on a
 * real mesh of two replicas each; `--older` names a built checkout of an older version, to be mixed in. Prints what happened, keeps it under `<ZMESH_HOME>/reports/`, exits with 1 if anything was not as it must be.
 */
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { Cleanup } from '../support/cleanup.js';
import { startChaosMesh } from './chaos-mesh.js';
import { clockJumps } from './clock-jumps.js';
import { halfOpen } from './half-open.js';
import { killUnderLoad } from './kills.js';
import { OVERLOAD_SETTINGS, overload } from './overload.js';
import { askUndisturbed } from './questions.js';
import { createReport } from './report.js';
import { mixVersions } from './upgrade.js';

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    rounds: { type: 'string', default: '2' },
    only: { type: 'string', default: 'kills,overload,half-open,clock,upgrade' },
    older: { type: 'string', default: '' },
  },
});
const [seed, rounds] = [Number(values.seed), Number(values.rounds)];
const wanted = new Set(values.only.split(','));
const report = createReport('chaos');
const steps: (() => Promise<void> | void)[] = [];
const cleanup: Cleanup = { after: (fn) => steps.push(fn) };
const cleanUp = async (): Promise<void> => {
  for (const step of steps.splice(0).reverse()) await step();
};
try {
  report.say(`seed ${seed}, ${rounds} rounds, ${[...wanted].join(', ')}`);
  if (['kills', 'half-open', 'clock', 'upgrade'].some((what) => wanted.has(what))) {
    const mesh = await startChaosMesh(cleanup, { replicas: 2 });
    const questions = await askUndisturbed(mesh.dispatcher);
    report.say(`a mesh of two replicas each; ${questions.length} greedy questions answered undisturbed`);
    if (wanted.has('kills')) await killUnderLoad({ mesh, questions, seed, rounds, report });
    if (wanted.has('half-open')) await halfOpen(cleanup, { mesh, questions, seed, report });
    if (wanted.has('clock')) await clockJumps({ mesh, questions, seed, report });
    if (wanted.has('upgrade') && values.older !== '')
      await mixVersions({ mesh, questions, seed, report, older: resolve(values.older) });
    await cleanUp();
  }
  if (wanted.has('overload')) {
    const mesh = await startChaosMesh(cleanup, { replicas: 1, env: OVERLOAD_SETTINGS });
    await overload({ mesh, seed, report, measureMs: 10_000, overloadMs: 25_000 });
  }
} catch (error) {
  report.fault(error instanceof Error ? (error.stack ?? error.message) : String(error));
} finally {
  await cleanUp();
}
report.say(report.faults.length === 0 ? 'no faults' : `${report.faults.length} faults`);
process.stdout.write(`kept in ${report.keep()}\n`);
process.exitCode = report.faults.length === 0 ? 0 : 1;
