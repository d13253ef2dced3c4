/**
 * What `npm start` does after set-up: starts the mesh, asks held-out questions of every task under every strategy, prints
 * the accuracies, one whole answer with its receipt and its trace, and stays up.
 */
import { parseArgs } from 'node:util';
import { Priority } from '#proto/zmesh/v1/common.js';
import { DispatcherServiceService, type Strategy } from '#proto/zmesh/v1/dispatcher.js';
import { type EvalStrategy, evaluate } from '#services/cli/eval/evaluate.js';
import { evaluateLabels, isLabelTask, type LabelResult } from '#services/cli/eval/labels.js';
import { accuracyTable, renderAccuracy } from '#services/cli/eval/tables.js';
import { renderLabelResults } from '#services/cli/label-results.js';
import { createProgress, type Progress } from '#services/cli/render/progress.js';
import { renderReceipt } from '#services/cli/render/receipt.js';
import { formatMs } from '#services/cli/render/units.js';
import { traceCommand } from '#services/cli/trace/command.js';
import { sleep } from '#shared/deadline.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { loadTasks } from '#shared/tasks/load.js';
import { EMBEDDED_EXPERTS, EMBEDDED_FOLDER, EMBEDDED_MODEL } from './embedded-model.js';
import { holdMesh } from './hold-mesh.js';
import type { LocalMesh } from './runner.js';

const HELP = `npm start [-- options]: the mesh, a demonstration, and the mesh for you to use

  --exit           leave after the demonstration, with status 0
  --questions N    questions of each task under each strategy (default 50)
  --port PORT      port of the dispatcher (default a free one)
  --help           this text
`;

const QUESTIONS = 50;
/** More than the engine's batch, so that it is always full. */
const CONCURRENCY = 32;
/** Services send their spans in batches, a few times a second. */
const SPANS_ARRIVE_MS = 1000;
const EXAMPLE = 'Mia has 517 cards and buys 225 more. How many cards now?';

/** Strategies whose first pass is measured alone. */
const FIRST_PASSES: readonly EvalStrategy[] = [
  { name: 'prompt', strategy: { kind: { $case: 'prompt', value: { firstPass: undefined } } } },
  {
    name: 'classifier',
    strategy: { kind: { $case: 'classifier', value: { firstPass: undefined, expert: '' } } },
  },
];

type Dispatcher = RpcClient<DispatcherServiceService>;

interface DemoOptions {
  readonly questions: number;
  readonly exit: boolean;
  readonly port: string | undefined;
}

async function main(args: string[]): Promise<number> {
  const options = readOptions(args);
  if (typeof options === 'number') return options;
  const { port } = options;
  return holdMesh({
    env: { ...process.env, ...(port === undefined ? {} : { ZMESH_DISPATCHER_PORT: port }) },
    say: (line) => print(`${line}\n`),
    aside: (line) => process.stderr.write(`${line}\n`),
    async started(mesh, signal) {
      await demonstrate(mesh, options, signal);
      if (options.exit) return 'leave';
      print(whereItIs(mesh));
      return 'stay';
    },
  });
}

function readOptions(args: string[]): DemoOptions | number {
  try {
    const { values } = parseArgs({
      args,
      options: {
        exit: { type: 'boolean', default: false },
        questions: { type: 'string', default: String(QUESTIONS) },
        port: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    });
    if (values.help) {
      print(HELP);
      return 0;
    }
    const questions = Number(values.questions);
    if (!Number.isInteger(questions) || questions < 1 || questions > 1000)
      throw new Error(`--questions must be a whole number from 1 to 1000, not ${values.questions}`);
    return { questions, exit: values.exit, port: values.port };
  } catch (error) {
    process.stderr.write(`error: ${(error as Error).message}\n\n${HELP}`);
    return 2;
  }
}

async function demonstrate(mesh: LocalMesh, { questions }: DemoOptions, signal: AbortSignal): Promise<void> {
  const client = connect(DispatcherServiceService, {
    address: mesh.addresses.dispatcher,
    unavailable: 'INFERENCE_UNAVAILABLE',
  });
  const io = {
    err: process.stderr,
    live: process.stderr.isTTY === true,
    columns: process.stderr.columns ?? 100,
  };
  const progress = createProgress(io);
  try {
    await printAccuracies({ client, questions, signal, progress });
    await printOneAnswer(client, mesh, signal);
  } finally {
    progress.end();
    client.close();
  }
}

async function printAccuracies(options: {
  readonly client: Dispatcher;
  readonly questions: number;
  readonly signal: AbortSignal;
  readonly progress: Progress;
}): Promise<void> {
  const { client, questions, signal, progress } = options;
  const tasks = await loadTasks(`${EMBEDDED_FOLDER}/tasks`, 'test');
  const common = {
    client,
    model: EMBEDDED_MODEL,
    limit: questions,
    concurrency: CONCURRENCY,
    priority: Priority.BATCH,
    signal,
    onProgress: progress.update,
  };
  print(`\nAsking ${questions} held-out questions of each task under each strategy\n`);
  const asked = tasks.filter((task) => !isLabelTask(task));
  const result = await evaluate({ ...common, tasks: asked, strategies: demoStrategies() });
  const labels: LabelResult[] = [];
  for (const task of tasks.filter(isLabelTask))
    for (const strategy of FIRST_PASSES) labels.push(await evaluateLabels({ ...common, task, strategy }));
  progress.end();
  const count = result.cells.reduce((sum, { outcomes }) => sum + outcomes.length, 0);
  print(`\nShare of right answers, [95 % interval]; ${count} answers in ${formatMs(result.durationMs)}\n\n`);
  print(renderAccuracy(accuracyTable(result)));
  print(`\nPass 1 alone, on questions whose label is known\n\n${renderLabelResults(labels)}`);
}

function demoStrategies(): EvalStrategy[] {
  const none: Strategy = { kind: { $case: 'none', value: {} } };
  const experts = EMBEDDED_EXPERTS.filter(({ kind }) => kind === 'task').map(({ name }) => ({
    name,
    strategy: { kind: { $case: 'expert' as const, value: { expert: name } } },
  }));
  const auto: Strategy = { kind: { $case: 'auto', value: { firstPass: undefined } } };
  return [{ name: 'none', strategy: none }, ...experts, ...FIRST_PASSES, { name: 'auto', strategy: auto }];
}

async function printOneAnswer(
  client: Dispatcher,
  { addresses }: LocalMesh,
  signal: AbortSignal,
): Promise<void> {
  const [arithmetic] = await loadTasks(`${EMBEDDED_FOLDER}/tasks/arithmetic`, 'test');
  const question = arithmetic?.items[0]?.prompt ?? EXAMPLE;
  const { answers, receipt } = await client.complete(
    {
      request: {
        requestId: '',
        model: EMBEDDED_MODEL,
        prompt: { input: { $case: 'chat', value: { messages: [{ role: 'user', content: question }] } } },
        strategy: { kind: { $case: 'auto', value: { firstPass: undefined } } },
        sampling: undefined,
        n: 1,
        priority: Priority.INTERACTIVE,
      },
    },
    { signal },
  );
  print(`\nOne answer\n\nQ: ${question}\nA: ${answers[0]?.text ?? ''}\n`);
  if (!receipt) return;
  print(`\nIts receipt\n\n${renderReceipt(receipt)}`);
  print(`\nIts trace, as "npm run -s zmesh -- trace ${receipt.traceId}" draws it\n\n`);
  await sleep(SPANS_ARRIVE_MS, signal);
  const { columns = 100, isTTY } = process.stdout;
  await traceCommand([receipt.traceId], {
    endpoint: addresses.traces,
    out: process.stdout,
    columns,
    colour: isTTY === true && !process.env.NO_COLOR,
  });
}

function whereItIs({ addresses }: LocalMesh): string {
  const { dispatcher, registry, traces } = addresses;
  const body = JSON.stringify({
    request: { prompt: { chat: { messages: [{ role: 'user', content: EXAMPLE }] } } },
  });
  return `
The mesh is up: dispatcher ${dispatcher}, expert registry ${registry}, traces ${traces}
From a shell of your own, in this folder:

  npm run -s zmesh -- generate --receipt "${EXAMPLE}"

From any gRPC client (reflection is on):

  npx buf curl --http2-prior-knowledge --protocol grpc -d '${body}' \\
    http://${dispatcher}/zmesh.v1.DispatcherService/Complete

Ctrl-C stops it.
`;
}

function print(text: string): void {
  process.stdout.write(text);
}

process.exitCode = await main(process.argv.slice(2));
