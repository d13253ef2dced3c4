/**
 * What people notice of a search beside them: `npm run bench -- adapt-beside [seconds] [rounds]` (default 6 s a turn, 5 rounds). Two callers
 * ask octo-nano one question after another, in turns without and with a running search, which has the lower priority. A search's
 * rows share the engine's steps with theirs, so a token may come later by as much as the step is longer, and not more.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { AdaptationSpec, SearchStage } from '#proto/zmesh/v1/adaptation.js';
import { Sampling } from '#proto/zmesh/v1/common.js';
import { GenerateRequest, type Receipt } from '#proto/zmesh/v1/dispatcher.js';
import { type BenchMesh, startBenchMesh } from './support/bench-mesh.js';
import { conditions } from './support/conditions.js';
import { readStream } from './support/read-stream.js';
import { median, quantile, table } from './support/statistics.js';

const CALLERS = 2;
const TOKENS = 48;
const SHOTS = 10;
/** A task that no mixture solves whole: its searches do not end early. */
const TASK = 'list-program-two-step';

/** One turn of the callers. Milliseconds. */
interface Turn {
  readonly firstMs: number[];
  /** From token to token, mean of an answer. */
  readonly tokenMs: number[];
  /** Longest time between two messages of an answer. */
  readonly stallMs: number[];
  /** Mean length of the engine's steps that worked on an answer. */
  readonly stepMs: number[];
}

const turnMs = Number(process.argv[2] ?? 6) * 1000;
const rounds = Number(process.argv[3] ?? 5);
const mesh = await startBenchMesh(EMBEDDED_MODEL, { ZMESH_LOG_LEVEL: 'error' }, { trainer: true });
let asked = 0;
try {
  const examples = await examplesOf(TASK, SHOTS);
  await turn(mesh, turnMs / 4);
  const [alone, beside]: [Turn[], Turn[]] = [[], []];
  let answered = 0n;
  for (let round = 0; round < rounds; round++) {
    alone.push(await turn(mesh, turnMs));
    const search = await startSearch(mesh, examples, round);
    const before = await generatedTokens(mesh, search);
    beside.push(await turn(mesh, turnMs));
    answered += (await generatedTokens(mesh, search)) - before;
    await mesh.dispatcher.cancelAdaptation({ id: search });
    await over(mesh, search);
    process.stderr.write(`round ${round + 1}/${rounds}\n`);
  }
  report(alone, beside, Number(answered) / ((rounds * turnMs) / 1000));
} finally {
  await mesh.close();
}

async function examplesOf(task: string, count: number) {
  const text = await readFile(join(EMBEDDED_FOLDER, 'tasks', task, 'train.jsonl'), 'utf8');
  return text
    .split('\n')
    .slice(0, count)
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .map(({ id, prompt, answers, max_tokens: maxTokens, verifier }) => ({
      id,
      prompt,
      system: '',
      verifier: JSON.stringify(verifier),
      reference: (answers as string[])[0],
      maxTokens,
    }));
}

/** A search that outlasts a turn; its id, when it is at its second wave. */
async function startSearch(
  { dispatcher }: BenchMesh,
  examples: readonly object[],
  round: number,
): Promise<string> {
  const spec = AdaptationSpec.fromPartial({
    model: EMBEDDED_MODEL,
    name: `beside-${round}`,
    examples,
    settings: {
      stage: SearchStage.GENERATE,
      population: 32,
      generations: 1000,
      folds: 2,
      seed: BigInt(round),
    },
  } as never);
  for await (const { event } of dispatcher.adapt({ requestId: '', spec, timeoutS: 0 }))
    if ((event?.progress?.done ?? 0) >= 1) return event!.adaptation!.id;
  throw new Error('the search ended before it began');
}

/** Tokens that a search has generated, as of its last wave. */
async function generatedTokens({ dispatcher }: BenchMesh, id: string): Promise<bigint> {
  const { adaptation } = await dispatcher.getAdaptation({ id });
  return adaptation?.progress?.generatedTokens ?? 0n;
}

async function over({ dispatcher }: BenchMesh, id: string): Promise<void> {
  for await (const _ of dispatcher.watchAdaptation({ id, afterSequence: 0n }));
}

async function turn(where: BenchMesh, ms: number): Promise<Turn> {
  const found: Turn = { firstMs: [], tokenMs: [], stallMs: [], stepMs: [] };
  const end = performance.now() + ms;
  const caller = async (): Promise<void> => {
    while (performance.now() < end) await ask(where, found);
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return found;
}

async function ask({ dispatcher }: BenchMesh, found: Turn): Promise<void> {
  asked++;
  const content = `Mia has ${asked} cards and buys ${(asked * 7) % 90} more. How many cards does she have now?`;
  const request = GenerateRequest.create({
    prompt: { input: { $case: 'chat', value: { messages: [{ role: 'user', content }] } } },
    strategy: { kind: { $case: 'none', value: {} } },
    sampling: Sampling.create({ temperature: 0, maxTokens: TOKENS, ignoreEos: true }),
  });
  let receipt: Receipt | undefined;
  const stream = (async function* () {
    for await (const message of dispatcher.generate(request, { timeoutMs: 60_000 })) {
      if (message.event?.$case === 'receipt') receipt = message.event.value;
      yield message;
    }
  })();
  const { startedMs, firstTokenMs, endedMs, deltasMs, tokens } = await readStream(stream);
  found.firstMs.push(firstTokenMs - startedMs);
  found.tokenMs.push((endedMs - firstTokenMs) / (tokens - 1));
  found.stallMs.push(Math.max(...deltasMs.slice(1).map((at, i) => at - deltasMs[i]!), 0));
  const { decodeMs, steps } = receipt!.secondPass!;
  found.stepMs.push(decodeMs / Math.max(1, steps - 1));
}

function report(alone: readonly Turn[], beside: readonly Turn[], searchRate: number): void {
  console.log(
    `${EMBEDDED_MODEL}: ${CALLERS} callers, answers of ${TOKENS} tokens, ${rounds} rounds of ${turnMs / 1000} s in turn; ` +
      `the search generated ${searchRate.toFixed(0)} tokens a second beside them; ${conditions()}\n`,
  );
  const figures = (turns: readonly Turn[], of: (found: Turn) => readonly number[]) => ({
    p50: turns.map((found) => quantile(of(found), 0.5)),
    p99: turns.map((found) => quantile(of(found), 0.99)),
  });
  const rows = (
    [
      ['to the first token', ({ firstMs }: Turn) => firstMs],
      ['from token to token', ({ tokenMs }: Turn) => tokenMs],
      ['longest stall of an answer', ({ stallMs }: Turn) => stallMs],
      ['one step of the engine', ({ stepMs }: Turn) => stepMs],
    ] as const
  ).flatMap(([name, of]) => {
    const [without, during] = [figures(alone, of), figures(beside, of)];
    return (['p50', 'p99'] as const).map((which) => {
      const ratios = during[which].map((value, round) => value / without[which][round]!);
      return [
        `${name}, ${which}`,
        `${median(without[which]).toFixed(2)} ms`,
        `${median(during[which]).toFixed(2)} ms`,
        `${(median(during[which]) - median(without[which])).toFixed(2)} ms`,
        `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`,
      ];
    });
  });
  const head = ['median of the rounds', 'alone', 'beside a search', 'later by', 'ratio (range)'];
  console.log(table([head, ...rows]));
}
