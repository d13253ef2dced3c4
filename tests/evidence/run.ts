/** `npm run evidence`: measures, and writes docs/evidence.md with its pictures; `--help` tells its parts and options. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { argumentsOrExit } from '../support/arguments.js';
import { expertsSteps, measureExperts } from './experts.js';
import { expertsPart } from './experts-report.js';
import { describeGrid, expertsGrid, type GridSize } from './grid.js';
import { evidenceHome, startEvidenceMesh } from './mesh.js';
import { writePart } from './page.js';
import { measureReal, REAL_CONFIGS, type RealRun } from './real.js';
import { realPart } from './real-report.js';
import { createSteps } from './steps.js';
import { measureStrategies, type StrategiesGrid, strategiesSteps } from './strategies.js';
import { strategiesPart } from './strategies-report.js';

const PARTS = ['experts', 'strategies', 'real'] as const;

const STRATEGIES: Readonly<Record<'full' | 'quick', StrategiesGrid>> = {
  full: {
    questions: 100,
    shots: [3, 5, 10, 20],
    draws: 5,
    perMatrixShots: [3, 5, 10, 20],
    population: 12,
    generations: 3,
    folds: 3,
  },
  quick: {
    questions: 100,
    shots: [3, 10],
    draws: 5,
    perMatrixShots: [],
    population: 12,
    generations: 3,
    folds: 3,
  },
};

const given = argumentsOrExit({
  command: 'npm run evidence',
  about:
    'Measures what training and strategies are worth, and writes docs/evidence.md with its pictures. Resumable: what was measured is kept in\n' +
    '<ZMESH_HOME>/evidence. Exit status: 0 written, 1 faults or interrupted, 2 wrong arguments.',
  bare: 'only',
  options: {
    only: {
      type: 'parts',
      parts: PARTS,
      help: 'parts to measure; default experts and strategies. real fetches a model of 135 M parameters and takes an hour or more',
    },
    quick: { type: 'flag', help: 'smaller grids: one seed, fewer shots' },
    minutes: {
      type: 'number',
      min: 0.1,
      max: 10_000,
      fractions: true,
      help: 'begin nothing after so long and write what is there, what is missing marked',
    },
    fresh: { type: 'flag', help: 'measure all of it again' },
    steps: { type: 'number', min: 1, max: 10_000, help: 'steps of each run of real, for a trial' },
  },
});
const { minutes, steps } = given;
const parts = given.only ?? (['experts', 'strategies'] as const);
const size: GridSize = given.quick ? 'quick' : 'full';
const say = (line: string): void => void process.stderr.write(`${line}\n`);
if (given.fresh) rmSync(evidenceHome(), { recursive: true, force: true });

const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new Error('interrupted; the same command goes on from here')));
const mesh = await startEvidenceMesh(say, {
  real: parts.includes('real'),
  wide: parts.includes('experts') && size !== 'quick',
  signal: stop.signal,
});
try {
  for (const part of parts) {
    const quick = size === 'quick';
    const kept = (name: string, total: number) =>
      createSteps({
        folder: join(evidenceHome(), 'found', name),
        total,
        say,
        signal: stop.signal,
        minutes,
      });
    if (part === 'experts') {
      const grid = expertsGrid(size);
      for (const line of describeGrid(grid)) say(`experts: ${line}`);
      const found = await measureExperts(
        mesh,
        grid,
        kept(`trained-${size}`, expertsSteps(grid)),
        stop.signal,
      );
      say(`${writePart(expertsPart(found, grid, size))} written`);
    } else if (part === 'real') {
      const tell = (runs: readonly RealRun[]): void =>
        say(`${writePart(realPart(runs, steps !== undefined))} written`);
      await measureReal(mesh, kept('real', REAL_CONFIGS.length), { steps, signal: stop.signal, tell });
    } else {
      const strategiesSize = quick ? 'quick' : 'full';
      const grid = STRATEGIES[strategiesSize];
      say(`strategies: ${JSON.stringify(grid)}`);
      const found = await measureStrategies(
        mesh,
        grid,
        kept(`strategies-${strategiesSize}`, strategiesSteps(grid)),
        stop.signal,
      );
      say(`${writePart(strategiesPart(found, grid, quick))} written`);
    }
  }
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  await mesh.stop();
}
