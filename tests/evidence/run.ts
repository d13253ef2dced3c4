/**
 * `npm run evidence -- [experts | strategies | real] [--quick]`: measures, and writes docs/evidence.md with its pictures.
 * Without a part: experts and strategies. `--minutes N` begins no run of experts
 * after N minutes and writes what is there, what is missing marked; `real` fetches a model of 135 M parameters and takes an hour or more (`--steps` shortens it for a trial). Resumable:
 * what was measured is kept in <ZMESH_HOME>/evidence; `--fresh` measures all of it again.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
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
type Part = (typeof PARTS)[number];

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

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean' },
    minutes: { type: 'string' },
    fresh: { type: 'boolean' },
    steps: { type: 'string' },
  },
});
const wrong = positionals.find((name) => !(PARTS as readonly string[]).includes(name));
if (wrong !== undefined) {
  process.stderr.write(
    `npm run evidence -- [${PARTS.join(' | ')}] [--quick] [--minutes N] [--fresh] [--steps N]; "${wrong}" is no part\n`,
  );
  process.exit(2);
}
const parts: readonly Part[] = positionals.length > 0 ? (positionals as Part[]) : ['experts', 'strategies'];
const steps = values.steps === undefined ? undefined : Number(values.steps);
const minutes = values.minutes === undefined ? undefined : Number(values.minutes);
const size: GridSize = values.quick ? 'quick' : 'full';
const say = (line: string): void => void process.stderr.write(`${line}\n`);
if (values.fresh) rmSync(evidenceHome(), { recursive: true, force: true });

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
