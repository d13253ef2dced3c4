import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Adaptation, AdaptRequest, WatchAdaptationRequest } from '#proto/zmesh/v1/adaptation.js';
import { TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import { createLog } from '#shared/log.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import type { CallContext } from '#shared/rpc/call.js';
import { serve } from '#shared/rpc/server.js';
import { startBench } from './harness.js';

const PATIENCE_MS = 20_000;
const adaptation = Adaptation.create({ id: 'search' });

test('a deadline goes on to the trainer with every call about an adaptation', async (t) => {
  const leftMs = new Map<string, number>();
  const note = (method: string, { deadline }: CallContext): void => {
    leftMs.set(method, (deadline ?? Number.POSITIVE_INFINITY) - performance.now());
  };
  const trainer: Pick<
    Handlers<TrainerServiceService>,
    'startSearch' | 'getSearch' | 'cancelSearch' | 'watchSearch'
  > = {
    startSearch: async (_, call) => {
      note('startSearch', call);
      return { adaptation };
    },
    getSearch: async (_, call) => {
      note('getSearch', call);
      return { adaptation };
    },
    cancelSearch: async (_, call) => {
      note('cancelSearch', call);
      return { adaptation };
    },
    async *watchSearch(_, call) {
      note('watchSearch', call);
      yield { event: { sequence: 1n, time: undefined, adaptation, progress: undefined } };
    },
  };
  const log = createLog('trainer', { ZMESH_LOG_LEVEL: 'silent' });
  const services = [bind(TrainerServiceService, trainer as Handlers<TrainerServiceService>)];
  const server = await serve({ host: '127.0.0.1', port: 0, services, log });
  t.after(() => server.drain(0));
  const { client } = await startBench(t, { env: { ZMESH_TRAINER_ADDRESS: server.address } });
  const call = { timeoutMs: PATIENCE_MS };
  const read = async (events: AsyncIterable<unknown>): Promise<void> => {
    for await (const _ of events);
  };

  await client.getAdaptation({ id: 'search' }, call);
  await client.cancelAdaptation({ id: 'search' }, call);
  await read(client.watchAdaptation(WatchAdaptationRequest.create({ id: 'search' }), call));
  assert.deepEqual([...leftMs.keys()], ['getSearch', 'cancelSearch', 'watchSearch']);
  leftMs.delete('watchSearch');
  await read(client.adapt(AdaptRequest.create({}), call));
  assert.deepEqual([...leftMs.keys()], ['getSearch', 'cancelSearch', 'startSearch', 'watchSearch']);
  for (const [method, left] of leftMs)
    assert.ok(left > PATIENCE_MS / 2 && left <= PATIENCE_MS, `${method}: ${left} ms of ${PATIENCE_MS}`);
});
