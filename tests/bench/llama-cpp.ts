/**
 * The engine beside llama.cpp on the same GGUF file: `npm run bench -- llama-cpp`. SmolLM2-135M must be there
 * (`zmesh model fetch smollm2-135m`). llama.cpp computes with the file's 4-bit weights, zmesh with what they stand for, in f32
 * and factored. Each side first finds its best settings in a sweep; then both take turns.
 * node-llama-cpp is no part of zmesh: tests/bench/llama-cpp is a package of its own with its own lock, installed under
 * ZMESH_HOME when it is not there.
 */
import { type ChildProcess, execFileSync, fork } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Engine } from '#services/inference/engine.js';
import { KNOWN_MODELS } from '#services/inference/fetch/known-models.js';
import { preparedFolder } from '#services/inference/model/prepared-files.js';
import { projectRoot, zmeshHome } from '#shared/paths.js';
import { conditions } from './support/conditions.js';
import { measureEngine, type SideTimes, startEngineSide } from './support/engine-side.js';
import { median, table } from './support/statistics.js';

const MODEL = 'smollm2-135m';
const ROUNDS = 3;
const SWEEP_ROUNDS = 1;
const PROMPT = 64;
const TOKENS = 17;
const THREADS = [1, 2];

interface LlamaSettings {
  readonly threads: number;
  readonly flashAttention: boolean;
  readonly batchSize: number;
}

/** One side with its settings: measures so many sequences at once. */
interface Side {
  readonly settings: string;
  measure(rows: number): Promise<SideTimes>;
}

const llama = await startLlama();
const engines = new Map<number, Engine>();
try {
  for (const threads of THREADS)
    engines.set(threads, await startEngineSide(preparedFolder(zmeshHome(), MODEL), threads));
  const lines: string[][] = [];
  for (const rows of [1, 8, 32]) lines.push(...(await compare(rows)));
  console.log(
    `\n${MODEL}, prompts of ${PROMPT} tokens, ${TOKENS} tokens each, best of ${ROUNDS} rounds in turn; ${conditions()}\n`,
  );
  console.log(table([head(), ...lines]));
} finally {
  llama.disconnect();
  for (const engine of engines.values()) await engine.drain();
}

function head(): string[] {
  return [
    'sequences',
    'side and best settings',
    'prompt, tokens/s',
    'decoding, tokens/s',
    'zmesh ÷ llama.cpp (prompt, decoding)',
    'by processor time',
  ];
}

async function compare(rows: number): Promise<string[][]> {
  const ours = await best(
    rows,
    [...engines].map(([threads, engine]) => ({
      settings: `zmesh, ${threads} thread(s)`,
      measure: (count: number) => measureEngine(engine, prompts(count), TOKENS),
    })),
  );
  const theirs = await best(rows, llamaSides());
  const times: [SideTimes[], SideTimes[]] = [[], []];
  for (let round = 0; round < ROUNDS; round++) {
    times[0].push(await ours.measure(rows));
    times[1].push(await theirs.measure(rows));
  }
  const fastest = (side: 0 | 1, of: (one: SideTimes) => number): number => Math.min(...times[side].map(of));
  const ratio = (of: (one: SideTimes) => number): string =>
    `${(fastest(1, of) / fastest(0, of)).toFixed(2)} (median ${median(times[0].map((one, round) => of(times[1][round]!) / of(one))).toFixed(2)})`;
  const told = (side: 0 | 1, settings: string, more: string[]): string[] => [
    String(rows),
    settings,
    ((1000 * rows * PROMPT) / fastest(side, ({ promptMs }) => promptMs)).toFixed(0),
    ((1000 * rows * (TOKENS - 1)) / fastest(side, ({ decodeMs }) => decodeMs)).toFixed(0),
    ...more,
  ];
  return [
    told(0, ours.settings, [
      `${ratio(({ promptMs }) => promptMs)}, ${ratio(({ decodeMs }) => decodeMs)}`,
      `${ratio(({ promptCpuMs }) => promptCpuMs)}, ${ratio(({ decodeCpuMs }) => decodeCpuMs)}`,
    ]),
    told(1, theirs.settings, ['', '']),
  ];
}

/** The side that decodes fastest. */
async function best(rows: number, sides: readonly Side[]): Promise<Side> {
  const times = sides.map(() => Number.POSITIVE_INFINITY);
  for (let round = 0; round < SWEEP_ROUNDS; round++) {
    for (const [i, side] of sides.entries()) {
      const { decodeMs } = await side.measure(rows);
      times[i] = Math.min(times[i]!, decodeMs);
    }
  }
  const found = sides[times.indexOf(Math.min(...times))]!;
  const tried = sides.map(({ settings }, i) => `${settings}: ${times[i]!.toFixed(0)} ms`);
  console.error(`${rows} sequence(s), decoding: ${tried.join('; ')}`);
  return found;
}

function llamaSides(): Side[] {
  const settings = THREADS.flatMap((threads) =>
    [false, true].map((flashAttention): LlamaSettings => ({ threads, flashAttention, batchSize: 2048 })),
  );
  return settings.map((one) => ({
    settings: `llama.cpp, ${one.threads} thread(s)${one.flashAttention ? ', flash attention' : ''}`,
    measure: (count) => askLlama(one, prompts(count)),
  }));
}

/** The same tokens for both sides, other ones in every row. */
function prompts(rows: number): Int32Array[] {
  return Array.from({ length: rows }, (_, row) =>
    Int32Array.from({ length: PROMPT }, (_, i) => 3 + ((row * 31 + i * 7) % 400)),
  );
}

async function startLlama(): Promise<ChildProcess> {
  const source = join(projectRoot, 'tests/bench/llama-cpp');
  const folder = join(zmeshHome(), 'bench/llama-cpp');
  const entry = join(folder, 'node_modules/node-llama-cpp/dist/index.js');
  if (!existsSync(entry)) {
    console.error('installing node-llama-cpp for this measurement, about 700 MB …');
    mkdirSync(folder, { recursive: true });
    for (const file of ['package.json', 'package-lock.json'])
      copyFileSync(join(source, file), join(folder, file));
    execFileSync('npm', ['ci', '--ignore-scripts'], { cwd: folder, stdio: ['ignore', 2, 2] });
  }
  const requirement = KNOWN_MODELS[MODEL]!;
  const cached = join(zmeshHome(), 'cache/pypi', requirement.requirement.replace('==', '-'));
  const child = fork(join(source, 'side.mjs'), [entry, join(cached, requirement.file)]);
  const { ready } = (await answer(child)) as { ready: string };
  console.error(`llama.cpp: ${ready}`);
  return child;
}

function askLlama(settings: LlamaSettings, rows: readonly Int32Array[]): Promise<SideTimes> {
  llama.send({ settings, prompts: rows.map((ids) => [...ids]), tokens: TOKENS });
  return answer(llama) as Promise<SideTimes>;
}

function answer(child: ChildProcess): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void => reject(new Error(`llama.cpp's side ended with ${code}`));
    child.once('exit', ended);
    child.once('message', (message) => {
      child.off('exit', ended);
      resolve(message);
    });
  });
}
