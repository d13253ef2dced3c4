/**
 * A few-shot search against the published code's way: `npm run bench -- adapt [task] [--quick]` (default arithmetic-two-step). A
 * cross-entropy search of 32 candidates, 10 shots and 20 generations (--quick: 3) on octo-nano, one thread, in one process. Sides in turn,
 * generation by generation, on the same candidates: `official` composes each candidate's dense weights (ONNX Runtime's GEMM), loads them and
 * answers its shots as one batch; `zmesh, the same work` gives every row its own mixture and shares nothing; `zmesh` is the product's search;
 * `zmesh, pruned` lets the likelihood of the references choose who answers. It also checks that the sides agree.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { EMBEDDED_FOLDER } from '#deploy/local/embedded-model.js';
import { prepareModel } from '#services/inference/model/prepare.js';
import { createOnnxRuntime } from '#services/inference/runtime/onnx-runtime.js';
import { beginCem, type CemSettings, type CemState, candidatesOf } from '#services/trainer/search/cem.js';
import { type Alpha, alphaKey, evenly } from '#services/trainer/search/space.js';
import { wilson } from '#shared/statistics/wilson.js';
import { conditions } from './support/conditions.js';
import { openLocalEngine } from './support/local-engine.js';
import {
  advance,
  MixtureAnswers,
  OfficialSide,
  type Outcome,
  plainOutcomes,
  SharingSearch,
  STEP_TOKENS,
} from './support/search-sides.js';
import { loadSearchTask } from './support/search-task.js';
import { median, table } from './support/statistics.js';

const SHOTS = 10;
const TEST = 200;
const THREADS = 1;
const KV_BYTES = 512 << 20;
const SLOTS = [16, 32, 64, 128, 256];
const AT_ONCE = [1, 2, 5, 10];
const SWEPT = 8;
/** Largest difference of log-probabilities that two ways of computing one mixture may make (docs/benchmarks.md). */
const BOUND = 1e-3;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean' } },
});
const generations = values.quick ? 3 : 20;
const name = positionals[0] ?? 'arithmetic-two-step';
const settings: CemSettings = {
  population: 32,
  eliteFraction: 0.2,
  generations,
  noiseFloor: 0.02,
  smoothing: 0,
  seed: 0n,
};
const { signal } = new AbortController();

/** What a side took in each generation. */
interface Side {
  readonly name: string;
  readonly ms: number[];
  readonly cpuMs: number[];
}

const sideOf = (side: string): Side => ({ name: side, ms: [], cpuMs: [] });
const keys = (candidates: readonly Alpha[]): string => candidates.map(alphaKey).join('|');
const sum = (numbers: readonly number[]): number => numbers.reduce((total, value) => total + value, 0);

const scratch = await mkdtemp(join(tmpdir(), 'zmesh-bench-'));
const prepared = join(scratch, 'factored');
const model = await prepareModel({
  checkpoint: EMBEDDED_FOLDER,
  name: 'bench',
  target: prepared,
  adapt: 'mlp',
  replace: true,
  onEvent: () => {},
});
const task = await loadSearchTask(prepared, model, { task: name, shots: SHOTS, test: TEST });
const official = await OfficialSide.open({
  task,
  checkpoint: EMBEDDED_FOLDER,
  prepared,
  model,
  scratch,
  threads: THREADS,
});
try {
  console.log(
    `octo-nano, ${name}: 32 candidates × ${SHOTS} shots × ${generations} generations, ${THREADS} thread; ${conditions()}\n`,
  );
  const slots = await sweepSlots();
  await sweepAtOnce();
  await compare(slots);
} finally {
  await official.close();
  task.close();
  await rm(scratch, { recursive: true, force: true });
}

async function zmeshAnswers(slots: number): Promise<MixtureAnswers> {
  const runtime = await createOnnxRuntime({ folder: prepared, model, kvBytes: KV_BYTES, threads: THREADS });
  return new MixtureAnswers(task, openLocalEngine(runtime, { slots, stepTokens: STEP_TOKENS }));
}

/** The first generation's candidates, answered with as many rows at once as each size allows. */
async function sweepSlots(): Promise<number> {
  const candidates = candidatesOf(task.space, settings, beginCem(task.space)).map(({ alpha }) => alpha);
  const found: { readonly slots: number; readonly ms: number }[] = [];
  for (const slots of SLOTS) {
    const answers = await zmeshAnswers(slots);
    await plainOutcomes(answers, task, candidates.slice(0, 2));
    const side = sideOf('');
    await timed(side, () => plainOutcomes(answers, task, candidates));
    await answers.engine.close();
    found.push({ slots, ms: side.cpuMs[0]! });
  }
  const best = found.reduce((a, b) => (b.ms < a.ms ? b : a));
  const count = candidates.length * SHOTS;
  told(
    'zmesh, rows at once',
    found.map(({ slots, ms }) => `${slots}: ${(ms / count).toFixed(2)}`),
  );
  return best.slots;
}

/** Some candidates the official way, by shots at once. */
async function sweepAtOnce(): Promise<void> {
  const candidates = candidatesOf(task.space, settings, beginCem(task.space)).slice(0, SWEPT);
  const found: { readonly atOnce: number; readonly ms: number }[] = [];
  for (const atOnce of AT_ONCE) {
    official.atOnce = atOnce;
    await official.outcomes(candidates[0]!.alpha);
    const side = sideOf('');
    await timed(side, async () => {
      for (const { alpha } of candidates) await official.outcomes(alpha);
    });
    found.push({ atOnce, ms: side.cpuMs[0]! });
  }
  official.atOnce = found.reduce((a, b) => (b.ms < a.ms ? b : a)).atOnce;
  told(
    'official, shots at once',
    found.map(({ atOnce, ms }) => `${atOnce}: ${(ms / SWEPT / SHOTS).toFixed(2)}`),
  );
}

function told(what: string, cells: readonly string[]): void {
  console.log(`${what}: milliseconds of processor time an answer: ${cells.join(', ')}`);
}

async function compare(slots: number): Promise<void> {
  const engines = await Promise.all([slots, slots, slots].map(zmeshAnswers));
  const [plain, shared, pruned] = engines as [MixtureAnswers, MixtureAnswers, MixtureAnswers];
  const sharing = new SharingSearch(task, shared, settings, 'generate');
  const pruning = new SharingSearch(task, pruned, settings, 'pruned');
  const sides = ['official', 'zmesh, the same work', 'zmesh', 'zmesh, pruned'].map(sideOf);
  let state: CemState = beginCem(task.space);
  let [pairs, distinct, strayed] = [0, 0, 0];
  const differing: Difference[] = [];
  Object.assign(official.times, { composeMs: 0, loadMs: 0, answerMs: 0 });
  for (let generation = 0; generation < generations; generation++) {
    const candidates = candidatesOf(task.space, settings, state).map(({ alpha }) => alpha);
    const theirs = await timed(sides[0]!, async () => {
      const all: Outcome[][] = [];
      for (const alpha of candidates) all.push(await official.outcomes(alpha));
      return all;
    });
    const ours = await timed(sides[1]!, () => plainOutcomes(plain, task, candidates));
    strayed += Number(!sharing.over && keys(sharing.candidates) !== keys(candidates));
    await timed(sides[2]!, () => sharing.generation(signal));
    await timed(sides[3]!, () => pruning.generation(signal));
    differing.push(...differences(candidates, theirs, ours));
    pairs += candidates.length * SHOTS;
    distinct += new Set(candidates.map(alphaKey)).size;
    state = advance(task, settings, state, ours);
    progress(generation, sides);
  }
  report(sides, [plain, shared, pruned]);
  for (const [side, search] of [
    ['zmesh', sharing],
    ['zmesh, pruned', pruning],
  ] as const)
    console.log(
      `${side}: ${search.state.generation} of ${generations} generations${search.over && search.state.generation < generations ? ', then nothing could be better' : ''}${search.state.prunes ? '; pruned by likelihood from the second on' : ''}`,
    );
  console.log(
    `\nof ${pairs / SHOTS} candidates ${distinct} are distinct within their generation, ${sharing.table.candidates} in the whole search`,
  );
  await agreement(plain, differing, { pairs, strayed });
  await quality(plain, { zmesh: sharing.state, 'zmesh, pruned': pruning.state });
  for (const { engine } of engines) await engine.close();
}

async function timed<T>({ ms, cpuMs }: Side, work: () => Promise<T>): Promise<T> {
  const cpu = process.cpuUsage();
  const began = performance.now();
  const result = await work();
  ms.push(performance.now() - began);
  const { user, system } = process.cpuUsage(cpu);
  cpuMs.push((user + system) / 1000);
  return result;
}

function progress(generation: number, sides: readonly Side[]): void {
  const times = sides.map(({ ms }) => `${(ms.at(-1)! / 1000).toFixed(2)}`).join(' / ');
  process.stderr.write(`generation ${generation + 1}/${generations}: ${times} s\n`);
}

function report(sides: readonly Side[], ours: readonly MixtureAnswers[]): void {
  const [first] = sides;
  const naive = ours[0]!.generated;
  const generated = [naive, ...ours.map(({ generated: tokens }) => tokens)];
  const rows = sides.map(({ name: side, ms, cpuMs }, i) => [
    side,
    (sum(ms) / 1000).toFixed(1),
    (sum(cpuMs) / 1000).toFixed(1),
    (sum(first!.ms) / sum(ms)).toFixed(2),
    `${(sum(first!.cpuMs) / sum(cpuMs)).toFixed(2)} (${ratiosOf(first!, { cpuMs })})`,
    generated[i]!,
    (naive / generated[i]!).toFixed(2),
  ]);
  const head = [
    'side',
    'seconds',
    'of processor',
    '× faster',
    '× by processor time (median generation, range)',
    'tokens generated',
    'naive ÷ generated',
  ];
  console.log(`\n${table([head, ...rows])}`);
  const { composeMs, loadMs, answerMs } = official.times;
  const parts = composeMs + loadMs + answerMs;
  const share = (part: number): string => `${((100 * part) / parts).toFixed(0)} %`;
  console.log(
    `\nofficial: ${share(composeMs)} composing, ${share(loadMs)} loading, ${share(answerMs)} answering; if loading took no time, ` +
      `zmesh would be ${sides
        .slice(1)
        .map(({ name: side, ms }) => `${((composeMs + answerMs) / sum(ms)).toFixed(2)} × (${side})`)
        .join(', ')} as fast`,
  );
}

function ratiosOf(first: Side, { cpuMs }: Pick<Side, 'cpuMs'>): string {
  const ratios = cpuMs.flatMap((ms, i) => (ms > 1 ? [first.cpuMs[i]! / ms] : []));
  return `${median(ratios).toFixed(2)}, ${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`;
}

interface Difference {
  readonly alpha: Alpha;
  readonly shot: number;
  readonly at: number;
  readonly tokens: readonly [number, number];
  readonly verdicts: boolean;
}

function differences(
  candidates: readonly Alpha[],
  theirs: readonly (readonly Outcome[])[],
  ours: readonly (readonly Outcome[])[],
): Difference[] {
  return candidates.flatMap((alpha, i) =>
    task.shots.flatMap((_, shot) => {
      const [a, b] = [theirs[i]![shot]!, ours[i]![shot]!];
      const at = a.ids.findIndex((id, place) => id !== b.ids[place]);
      if (at < 0) return [];
      return [{ alpha, shot, at, tokens: [a.ids[at]!, b.ids[at]!] as const, verdicts: a.right !== b.right }];
    }),
  );
}

/** Every pair whose answers differ must do so at a token where the two best were closer than the bound. */
async function agreement(
  answers: MixtureAnswers,
  differing: readonly Difference[],
  { pairs, strayed }: { readonly pairs: number; readonly strayed: number },
): Promise<void> {
  let widest = 0;
  for (const { alpha, shot, at, tokens } of differing) {
    const { prompt } = task.shots[shot]!;
    const { endIds } = task;
    const asked = { prompt, mixture: answers.mixture(alpha), maxTokens: at + 1, endIds, top: true };
    const { top } = await answers.engine.answer(asked);
    const of = (id: number): number => top[at]?.find(({ token }) => token === id)?.logProb ?? -Infinity;
    widest = Math.max(widest, Math.abs(of(tokens[0]) - of(tokens[1])));
  }
  const verdicts = differing.filter(({ verdicts: other }) => other).length;
  console.log(
    `agreement: ${differing.length} of ${pairs} answers differ between official and zmesh, ${verdicts} in their verdict; ` +
      `where they part the two tokens' log-probabilities are at most ${widest.toExponential(1)} apart (bound ${BOUND}); ` +
      `sharing changed the candidates of ${strayed} of ${generations} generations`,
  );
  if (widest > BOUND) {
    process.stderr.write('error: the sides differ by more than the bound\n');
    process.exitCode = 1;
  }
}

/** How good what was found is: on the shots, and on test questions that no search saw. */
async function quality(answers: MixtureAnswers, found: Readonly<Record<string, CemState>>): Promise<void> {
  const { space } = task;
  const experts = space.arms.flatMap((arm, i) => (arm === 'base' ? [] : [i]));
  const rows: (readonly [string, Alpha, number | undefined])[] = [
    ['base', [], undefined],
    ['uniform', evenly(space, experts), undefined],
    ...Object.entries(found).map(([side, { best }]) => [side, best!.alpha, best!.fitness.score] as const),
  ];
  const lines: (string | number)[][] = [
    ['mixture', 'α', 'right of the shots', `right of ${TEST} test questions`],
  ];
  for (const [side, alpha, onShots] of rows) {
    const outcomes = await Promise.all(task.test.map((question) => answers.outcome(alpha, question)));
    const { estimate, low, high } = wilson(outcomes.filter(({ right }) => right).length, TEST);
    lines.push([
      side,
      alpha.map(([weight]) => weight!.toFixed(2)).join(' '),
      onShots === undefined ? '' : `${Math.round(onShots * SHOTS)} of ${SHOTS}`,
      `${(100 * estimate).toFixed(0)} % [${(100 * low).toFixed(0)}, ${(100 * high).toFixed(0)}]`,
    ]);
  }
  console.log(`\narms: ${space.arms.join(', ')}\n${table(lines)}`);
}
