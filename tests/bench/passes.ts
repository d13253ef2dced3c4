/**
 * What pass 1 costs beside pass 2: `npm run bench -- passes [model]` (default octo-nano; another one must be prepared under
 * ZMESH_HOME and gets experts that change nothing). Answers of 64 tokens with the strategy `prompt`, from two meshes that take
 * turns: one keeps prefixes and so the instruction of pass 1, one keeps none. No question comes twice.
 */
import { EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { type PassTiming, Sampling } from '#proto/zmesh/v1/common.js';
import { FirstPass, GenerateRequest, type Receipt } from '#proto/zmesh/v1/dispatcher.js';
import { type BenchMesh, startBenchMesh } from './support/bench-mesh.js';
import { conditions } from './support/conditions.js';
import { publishIdleExperts } from './support/idle-experts.js';
import { median, table } from './support/statistics.js';

const TOKENS = 64;
const ROUNDS = 5;
const LABELS = ['math', 'code', 'reasoning'];

const model = process.argv[2] ?? EMBEDDED_MODEL;
const perRound = model === EMBEDDED_MODEL ? 40 : 5;
const cases = [
  { name: 'instruction in the prefix cache', mesh: await startBenchMesh(model) },
  { name: 'no prefix cache', mesh: await startBenchMesh(model, { ZMESH_INFERENCE_PREFIX_BYTES: '0' }) },
];
let asked = 0;
try {
  if (model !== EMBEDDED_MODEL)
    for (const { mesh } of cases) await publishIdleExperts(mesh.registry, model, LABELS);
  for (const { mesh } of cases) for (let i = 0; i < 3; i++) await ask(mesh);
  const receipts = cases.map((): Receipt[][] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const all of receipts) all.push([]);
    for (let i = 0; i < perRound; i++)
      for (const [which, { mesh }] of cases.entries()) receipts[which]!.at(-1)!.push(await ask(mesh));
  }
  console.log(
    `${model}, ${TOKENS} tokens an answer, ${ROUNDS} rounds of ${perRound}, one caller; ${conditions()}\n`,
  );
  const head = [
    'median round (best)',
    'prompt of pass 1',
    'of it kept',
    'pass 1, ms',
    'pass 2, ms',
    'pass 1 ÷ pass 2',
    'in the engine alone',
  ];
  console.log(table([head, ...cases.map(({ name }, which) => line(name, receipts[which]!))]));
} finally {
  for (const { mesh } of cases) await mesh.close();
}

/** One answer to a question that was never asked before. */
async function ask({ dispatcher }: BenchMesh): Promise<Receipt> {
  asked++;
  const content = `Mia has ${asked} cards and buys ${(asked * 7) % 90} more. How many cards does she have now?`;
  const stream = dispatcher.generate(
    GenerateRequest.create({
      prompt: { input: { $case: 'chat', value: { messages: [{ role: 'user', content }] } } },
      strategy: { kind: { $case: 'prompt', value: { firstPass: FirstPass.create() } } },
      sampling: Sampling.create({ temperature: 0, maxTokens: TOKENS, ignoreEos: true }),
    }),
    { timeoutMs: 60_000 },
  );
  let receipt: Receipt | undefined;
  for await (const { event } of stream) if (event?.$case === 'receipt') receipt = event.value;
  if (!receipt?.firstPass || !receipt.secondPass) throw new Error('an answer without both passes');
  return receipt;
}

/** Times as the dispatcher saw them, and as the engine did: without the way to inference and back. */
function line(name: string, rounds: readonly (readonly Receipt[])[]): (string | number)[] {
  const of = (ms: (receipt: Receipt) => number): number[] => rounds.map((all) => median(all.map(ms)));
  const share = (parts: (receipt: Receipt) => readonly [number, number]): string =>
    `${told(
      of((receipt) => (100 * parts(receipt)[0]) / parts(receipt)[1]),
      1,
    )} %`;
  const engineMs = ({ prefillMs, decodeMs }: PassTiming): number => prefillMs + decodeMs;
  const usage = rounds.at(-1)!.at(-1)!.firstPassUsage!;
  return [
    name,
    usage.promptTokens,
    usage.cachedPromptTokens,
    told(
      of(({ firstPass }) => firstPass!.totalMs),
      2,
    ),
    told(
      of(({ secondPass }) => secondPass!.totalMs),
      2,
    ),
    share(({ firstPass, secondPass }) => [firstPass!.totalMs, secondPass!.totalMs]),
    share(({ firstPass, secondPass }) => [engineMs(firstPass!), engineMs(secondPass!)]),
  ];
}

function told(values: readonly number[], digits: number): string {
  return `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)})`;
}
