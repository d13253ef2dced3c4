import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { FinishReason } from '#proto/zmesh/v1/common.js';
import {
  CompleteResponse,
  DispatcherServiceService,
  type GenerateRequest,
  GenerateResponse,
  Receipt,
} from '#proto/zmesh/v1/dispatcher.js';
import {
  ExpertRegistryServiceService,
  ExpertVersion,
  type SetAliasRequest,
} from '#proto/zmesh/v1/expert_registry.js';
import { type AnswerEvent, ZmeshClient, ZmeshError } from '#shared/client/client.js';
import { SAFE_METHODS } from '#shared/client/safe-methods.js';
import { createLog } from '#shared/log.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import { serve } from '#shared/rpc/server.js';

type Dispatcher = Handlers<DispatcherServiceService>;
type Registry = Handlers<ExpertRegistryServiceService>;

async function start(t: TestContext, dispatcher: Partial<Dispatcher>, registry: Partial<Registry> = {}) {
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  const services = [
    bind(DispatcherServiceService, dispatcher as Dispatcher),
    bind(ExpertRegistryServiceService, registry as Registry),
  ];
  const server = await serve({ host: '127.0.0.1', port: 0, services, log });
  const client = new ZmeshClient({ address: server.address, registryAddress: server.address });
  t.after(async () => {
    client.close();
    await server.drain(1000);
  });
  return client;
}

const delta = (text: string): GenerateResponse =>
  GenerateResponse.create({ event: { $case: 'delta', value: { text } } });
const receipt = GenerateResponse.create({
  event: { $case: 'receipt', value: Receipt.create({ model: 'm' }) },
});
const hasReason = (reason: string) => (error: unknown) =>
  error instanceof ZmeshError && error.reason === reason;

test('a stream tells typed events, then holds the receipt', async (t) => {
  const client = await start(t, {
    generate: async function* () {
      yield GenerateResponse.create({ event: { $case: 'started', value: { requestId: 'r' } } });
      yield delta('4');
      yield delta('2');
      yield GenerateResponse.create({
        event: { $case: 'end', value: { finishReason: FinishReason.STOP } },
      });
      yield receipt;
    },
  });
  const answer = client.generate({ prompt: 'hi' });
  const events: AnswerEvent[] = [];
  assert.ok(!answer.receipt);
  for await (const event of answer) events.push(event);
  assert.deepEqual(
    events.map(({ type }) => type),
    ['started', 'delta', 'delta', 'end', 'receipt'],
  );
  assert.equal((answer.receipt as Receipt | undefined)?.model, 'm');
  assert.equal(await client.generate({ prompt: 'hi' }).text(), '42');
  await assert.rejects(answer.text(), /can be read once/);
});

test('an answer that ends without its receipt is an error, not a short answer', async (t) => {
  const client = await start(t, {
    generate: async function* () {
      yield delta('half');
    },
  });
  await assert.rejects(client.generate({ prompt: 'hi' }).text(), hasReason('INTERNAL'));
});

test('leaving the loop, a signal and a deadline stop the work in the mesh', async (t) => {
  const reasons: unknown[] = [];
  const client = await start(t, {
    generate: async function* (_request, call) {
      try {
        for (;;) {
          yield delta('.');
          await sleep(2, undefined, { signal: call.signal });
        }
      } finally {
        reasons.push((call.signal.reason as ZmeshError | undefined)?.reason);
      }
    },
  });
  for await (const _ of client.generate({ prompt: 'hi' })) break;
  const controller = new AbortController();
  setTimeout(() => controller.abort(new ZmeshError('CANCELLED', 'enough')), 50);
  await assert.rejects(
    client.generate({ prompt: 'hi' }, { signal: controller.signal }).text(),
    hasReason('CANCELLED'),
  );
  const deadline = new Date(Date.now() + 100);
  await assert.rejects(client.generate({ prompt: 'hi' }, { deadline }).text(), hasReason('DEADLINE'));
  await assert.rejects(client.generate({ prompt: 'hi' }, { timeoutMs: 100 }).text(), hasReason('DEADLINE'));
  for (let waited = 0; reasons.length < 4 && waited < 200; waited++) await sleep(10);
  assert.deepEqual(reasons.slice(0, 2), ['CANCELLED', 'CANCELLED']);
  for (const reason of reasons.slice(2)) assert.match(String(reason), /^(DEADLINE|CANCELLED)$/);
});

test('questions in plain words reach the dispatcher as the contract has them', async (t) => {
  const seen: GenerateRequest[] = [];
  const client = await start(t, {
    complete: async ({ request }) => {
      seen.push(request!);
      return CompleteResponse.create({});
    },
  });
  const messages = [{ role: 'system', content: 'be brief' }];
  await client.complete({ prompt: 'hi', strategy: 'auto' });
  await client.complete({ prompt: messages, strategy: { expert: 'math@stable' } });
  await client.complete({ prompt: { text: 'raw' }, strategy: { mixture: { math: 0.5, base: 0.5 } } });
  await client.complete({ prompt: { tokenIds: [1, 2] }, sampling: { maxTokens: 3, seed: 7n }, n: 2 });
  assert.deepEqual(
    seen.map(({ prompt }) => prompt?.input),
    [
      { $case: 'chat', value: { messages: [{ role: 'user', content: 'hi' }] } },
      { $case: 'chat', value: { messages } },
      { $case: 'text', value: 'raw' },
      { $case: 'tokens', value: { ids: [1, 2] } },
    ],
  );
  assert.deepEqual(
    seen.map(({ strategy }) => strategy?.kind?.$case),
    ['auto', 'expert', 'mixture', undefined],
  );
  const mixture = seen[2]?.strategy?.kind;
  assert.deepEqual(mixture?.$case === 'mixture' && mixture.value.mixture?.arms, [
    { expert: 'math', alpha: 0.5, alphaPerMatrix: {} },
    { expert: 'base', alpha: 0.5, alphaPerMatrix: {} },
  ]);
  assert.deepEqual([seen[3]?.n, seen[3]?.sampling?.maxTokens, seen[3]?.sampling?.seed], [2, 3, 7n]);
});

test('experts are listed over all pages, and an alias moves by its full name', async (t) => {
  const moves: SetAliasRequest[] = [];
  const client = await start(
    t,
    {},
    {
      listExperts: async ({ pageToken }) => ({
        experts: [ExpertVersion.create({ version: pageToken || 'first' })],
        nextPageToken: pageToken === '' ? 'second' : '',
      }),
      setAlias: async (request) => {
        moves.push(request);
        return { previousVersion: '', version: request.version, revision: 1n };
      },
    },
  );
  const versions: string[] = [];
  for await (const { version } of client.experts.list()) versions.push(version);
  assert.deepEqual(versions, ['first', 'second']);
  await client.experts.alias({ name: 'm/math@canary', version: 'v', expectedVersion: '' });
  assert.deepEqual(
    { ...moves[0] },
    { model: 'm', expert: 'math', alias: 'canary', version: 'v', expectedVersion: '' },
  );
  await assert.rejects(
    client.experts.alias({ name: 'math@canary', version: 'v' }),
    hasReason('MODEL_REQUIRED'),
  );
});

test('a client that was not told where a service is says so', () => {
  const client = new ZmeshClient({ address: 'localhost:1' });
  assert.throws(() => client.registry, /registryAddress/);
});

test('only methods that change nothing may be called again', () => {
  const changing = {
    dispatcher: ['adapt', 'cancelAdaptation'],
    registry: ['publishModel', 'publishExpert', 'setAlias', 'deleteAlias', 'retireExpert', 'restoreRegistry'],
  };
  const all = { dispatcher: DispatcherServiceService, registry: ExpertRegistryServiceService };
  for (const service of ['dispatcher', 'registry'] as const)
    assert.deepEqual(
      [...SAFE_METHODS[service], ...changing[service]].sort(),
      Object.keys(all[service]).sort(),
      `decide for each method of ${service} whether it may be called again`,
    );
});
