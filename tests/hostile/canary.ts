import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { DispatcherServiceService, GenerateRequest, type Strategy } from '#proto/zmesh/v1/dispatcher.js';
import { connect } from '#shared/rpc/client.js';

/** A well-behaved client, who must not notice the others. */
export interface Canary {
  /** Mixture hash of the unadapted model. */
  readonly baseHash: string;
  /** Asks the same questions again; throws if an answer differs from the first time. */
  check(): Promise<void>;
  close(): void;
}

const EXPERTS = ['math', 'code', 'reasoning'] as const;
const STRATEGIES: readonly NonNullable<Strategy['kind']>[] = [
  { $case: 'none', value: {} },
  ...EXPERTS.map((expert) => ({ $case: 'expert' as const, value: { expert } })),
  { $case: 'prompt', value: { firstPass: undefined } },
  { $case: 'classifier', value: { firstPass: undefined, expert: '' } },
];
const TASKS = ['arithmetic-two-step', 'list-program-two-step', 'ordering-six'] as const;

/** The first held-out question of each task. */
async function questions(): Promise<string[]> {
  const files = TASKS.map((task) => readFile(join(EMBEDDED_FOLDER, 'tasks', task, 'test.jsonl'), 'utf8'));
  return (await Promise.all(files)).map(
    (text) => JSON.parse(text.slice(0, text.indexOf('\n'))).prompt as string,
  );
}

/** Asks its questions for the first time. */
export async function startCanary(address: string): Promise<Canary> {
  const client = connect(DispatcherServiceService, { address, unavailable: 'INFERENCE_UNAVAILABLE' });
  const asked = (await questions()).flatMap((content) => STRATEGIES.map((kind) => ({ content, kind })));
  const ask = async ({ content, kind }: (typeof asked)[number]) => {
    const request = GenerateRequest.fromPartial({
      model: EMBEDDED_MODEL,
      prompt: { input: { $case: 'chat', value: { messages: [{ role: 'user', content }] } } },
      sampling: { maxTokens: 48, temperature: 0 },
    });
    const call = { timeoutMs: 60_000 };
    const { answers, receipt } = await client.complete({ request: { ...request, strategy: { kind } } }, call);
    return {
      ids: answers[0]!.tokenIds,
      label: receipt!.classification?.label,
      mixture: receipt!.mixtureHash,
    };
  };
  const askAll = () => Promise.all(asked.map(ask));
  const first = await askAll();
  const different = new Set(first.map(({ ids }) => ids.join()));
  assert.ok(different.size > TASKS.length, 'experts answer as the base does: the canary would see nothing');
  return {
    baseHash: first[0]!.mixture,
    async check() {
      assert.deepEqual(await askAll(), first, 'the same question was answered differently');
    },
    close: () => client.close(),
  };
}
