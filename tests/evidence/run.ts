/**
 * `npm run evidence -- [experts | strategies | real] [--quick]`: measures, and writes docs/evidence.md with its pictures. Without a
 * part: experts and strategies; `real` fetches a model of 135 M parameters and takes an hour or more (`--steps` shortens it for a trial). Resumable:
 * what was measured is kept in <ZMESH_HOME>/evidence; `--fresh` measures all of it again.
 */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type ExpertsGrid, expertsSteps, measureExperts, type TrainingConfig } from './experts.js';
import { expertsPart } from './experts-report.js';
import { evidenceHome, startEvidenceMesh } from './mesh.js';
import { writePart } from './page.js';
import { measureReal, REAL_CONFIGS } from './real.js';
import { realPart } from './real-report.js';
import { createSteps } from './steps.js';
import { measureStrategies, type StrategiesGrid, strategiesSteps } from './strategies.js';
import { strategiesPart } from './strategies-report.js';

const PARTS = ['experts', 'strategies', 'real'] as const;
type Part = (typeof PARTS)[number];

const STRATEGIES: Readonly<Record<'full' | 'quick', StrategiesGrid>> = {
  full: {
    questions: 150,
    shots: [3, 5, 10, 20],
    draws: 5,
    perMatrixShots: [10],
    population: 16,
    generations: 5,
    folds: 5,
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

const SCRATCH = { 'validation-items': '150', 'validate-every': '5' };
const way = (
  name: string,
  algorithm: string,
  settings: Readonly<Record<string, string>>,
  seeds: readonly number[],
  preset = 'default',
): TrainingConfig => ({ name, algorithm, preset, settings: { ...SCRATCH, ...settings }, seeds });

const EXPERTS: Readonly<Record<'full' | 'quick', ExpertsGrid>> = {
  full: {
    questions: 400,
    heatmapQuestions: 150,
    configs: [
      way('reinforce', 'reinforce', { steps: '40' }, [0, 1, 2]),
      way('reinforce with KL', 'reinforce', { steps: '40', 'kl-coefficient': '0.1' }, [0]),
      way(
        'reinforce without normalisation',
        'reinforce',
        {
          steps: '40',
          normalisation: 'none',
          parameterisation: 'direct',
          'init-mean': '1',
          'learning-rate': '0.02',
        },
        [0],
      ),
      way('next-token', 'next-token', { steps: '40' }, [0]),
      way('sep-CMA-ES', 'sep-cma-es', { steps: '12', 'validate-every': '3' }, [0]),
      way(
        'official preset',
        'reinforce',
        { steps: '40', prompts: '96', 'validate-every': '10' },
        [0],
        'official',
      ),
    ],
  },
  quick: {
    questions: 300,
    heatmapQuestions: 50,
    configs: [
      way('reinforce', 'reinforce', { steps: '20' }, [0]),
      way('sep-CMA-ES', 'sep-cma-es', { steps: '5', 'validate-every': '5' }, [0]),
    ],
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean' }, fresh: { type: 'boolean' }, steps: { type: 'string' } },
});
const wrong = positionals.find((name) => !(PARTS as readonly string[]).includes(name));
if (wrong !== undefined) {
  process.stderr.write(
    `npm run evidence -- [${PARTS.join(' | ')}] [--quick] [--fresh] [--steps N]; "${wrong}" is no part\n`,
  );
  process.exit(2);
}
const parts: readonly Part[] = positionals.length > 0 ? (positionals as Part[]) : ['experts', 'strategies'];
const steps = values.steps === undefined ? undefined : Number(values.steps);
const size = values.quick ? 'quick' : 'full';
const say = (line: string): void => void process.stderr.write(`${line}\n`);
if (values.fresh) rmSync(evidenceHome(), { recursive: true, force: true });

const stop = new AbortController();
process.once('SIGINT', () => stop.abort(new Error('interrupted; the same command goes on from here')));
const mesh = await startEvidenceMesh(say, { real: parts.includes('real'), signal: stop.signal });
try {
  for (const part of parts) {
    const folder = join(evidenceHome(), 'found', `${part}-${size}`);
    const quick = size === 'quick';
    if (part === 'experts') {
      const grid = EXPERTS[size];
      say(`experts: ${grid.configs.map(({ name, seeds }) => `${name} × ${seeds.length}`).join(', ')}`);
      const found = await measureExperts(
        mesh,
        grid,
        createSteps(folder, expertsSteps(grid), say),
        stop.signal,
      );
      say(`${writePart(expertsPart(found, grid, quick))} written`);
    } else if (part === 'real') {
      const kept = createSteps(join(evidenceHome(), 'found/real'), REAL_CONFIGS.length, say);
      const runs = await measureReal(mesh, kept, { steps, signal: stop.signal });
      say(`${writePart(realPart(runs, steps !== undefined))} written`);
    } else {
      const grid = STRATEGIES[size];
      say(`strategies: ${JSON.stringify(grid)}`);
      const found = await measureStrategies(
        mesh,
        grid,
        createSteps(folder, strategiesSteps(grid), say),
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
