import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ExpertRegistryServiceService,
  GetModelRequest,
  type RestoreRegistryRequest,
} from '#proto/zmesh/v1/expert_registry.js';
import { type Reason, ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import { connect } from '#shared/rpc/client.js';
import { serve } from '#shared/rpc/server.js';

type RegistryHandlers = Handlers<typeof ExpertRegistryServiceService>;
const unused = (): never => {
  throw new Error('this test does not call it');
};
const NAMES = Object.keys(ExpertRegistryServiceService) as (keyof RegistryHandlers)[];

async function start(
  t: TestContext,
  handlers: Partial<RegistryHandlers>,
  {
    serverKeepaliveMs,
    ...options
  }: { readonly keepaliveMs?: number; readonly serverKeepaliveMs?: number } = {},
) {
  const all = Object.fromEntries(
    NAMES.map((name) => [name, handlers[name] ?? unused]),
  ) as unknown as RegistryHandlers;
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    services: [bind(ExpertRegistryServiceService, all)],
    log,
    ...(serverKeepaliveMs === undefined ? {} : { keepaliveMs: serverKeepaliveMs }),
  });
  const client = connect(ExpertRegistryServiceService, {
    address: server.address,
    unavailable: 'REGISTRY_UNAVAILABLE',
    ...options,
  });
  t.after(async () => {
    client.close();
    await server.drain(1000);
  });
  return { server, client };
}

const withReason = (reason: Reason, text: RegExp) => (error: unknown) =>
  error instanceof ZmeshError && error.reason === reason && text.test(error.message);

test('an error crosses the wire with reason, code, message, field, limit, value, names and retry-after', async (t) => {
  const { client } = await start(t, {
    getModel: async () => {
      throw new ZmeshError('QUEUE_FULL', 'the queue holds 4 of 4', {
        field: 'x.y',
        limit: 4,
        value: 5,
        retryAfterMs: 1500,
        names: { model: 'm' },
        cause: new Error('secret'),
      });
    },
  });
  await assert.rejects(client.getModel({ name: 'm' }), (error: ZmeshError) => {
    assert.equal(error.reason, 'QUEUE_FULL');
    assert.equal(error.code, 'RESOURCE_EXHAUSTED');
    assert.equal(error.message, 'the queue holds 4 of 4');
    assert.deepEqual(
      { ...error.details },
      { field: 'x.y', limit: '4', value: '5', retryAfterMs: 1500, names: { model: 'm' } },
    );
    return true;
  });
});

test('a fault of ours reaches the caller as INTERNAL, at once, also from an async handler and a stream', async (t) => {
  const { client } = await start(t, {
    getModel: async () => {
      await sleep(1);
      throw new TypeError('boom');
    },
    watchExperts: async function* () {
      yield { revision: 1n, event: undefined, current: false };
      throw new TypeError('later');
    },
  });
  await assert.rejects(client.getModel({ name: 'm' }), withReason('INTERNAL', /internal fault: boom/));
  const seen: bigint[] = [];
  await assert.rejects(
    (async () => {
      for await (const message of client.watchExperts({ model: '', afterRevision: 0n }))
        seen.push(message.revision);
    })(),
    withReason('INTERNAL', /internal fault: later/),
  );
  assert.deepEqual(seen, [1n]);
});

test('leaving a stream cancels the handler, whose signal says so', async (t) => {
  let reason: unknown;
  const stopped = deferred();
  const { client } = await start(t, {
    watchExperts: async function* (_request, call) {
      try {
        for (let i = 0n; ; i++) {
          yield { revision: i, event: undefined, current: false };
          await sleep(2, undefined, { signal: call.signal });
        }
      } finally {
        reason = call.signal.reason;
        stopped.resolve();
      }
    },
  });
  for await (const message of client.watchExperts({ model: '', afterRevision: 0n }))
    if (message.revision === 3n) break;
  await stopped.promise;
  assert.ok(reason instanceof ZmeshError && reason.reason === 'CANCELLED');
});

test('a deadline stops the call on both sides', async (t) => {
  let seen: number | undefined;
  let reason: unknown;
  const { client } = await start(t, {
    getModel: async (_request, call) => {
      seen = call.deadline;
      await new Promise((resolve) => call.signal.addEventListener('abort', resolve, { once: true }));
      reason = call.signal.reason;
      throw reason;
    },
  });
  const deadline = performance.now() + 150;
  await assert.rejects(client.getModel({ name: 'm' }, { deadline }), withReason('DEADLINE', /deadline/));
  assert.ok(Math.abs(seen! - deadline) < 50);
  for (let waited = 0; !reason && waited < 200; waited++) await sleep(10);
  // The caller's clock may be first: it leaves, and the server hears that before its own, slightly later deadline.
  assert.ok(reason instanceof ZmeshError && /^(DEADLINE|CANCELLED)$/.test(reason.reason));
});

test('a signal cancels a unary call with its own reason', async (t) => {
  const { client } = await start(t, {
    getModel: async (_request, call) =>
      new Promise((_resolve, reject) =>
        call.signal.addEventListener('abort', () => reject(call.signal.reason), { once: true }),
      ),
  });
  const controller = new AbortController();
  setTimeout(() => controller.abort(new ZmeshError('CANCELLED', 'changed my mind')), 30);
  await assert.rejects(
    client.getModel({ name: 'm' }, { signal: controller.signal }),
    withReason('CANCELLED', /changed my mind/),
  );
});

test('a plain signal is CANCELLED, one of AbortSignal.timeout DEADLINE, for every kind of call', async (t) => {
  const wait = (signal: AbortSignal): Promise<void> =>
    new Promise((_resolve, reject) =>
      signal.addEventListener('abort', () => reject(signal.reason), { once: true }),
    );
  const { client } = await start(t, {
    getModel: async (_request, { signal }) => {
      await wait(signal);
      return { model: undefined };
    },
    // biome-ignore lint/correctness/useYield: it waits until it is left.
    watchExperts: async function* (_request, { signal }) {
      await wait(signal);
    },
  });
  const watch = async (signal: AbortSignal): Promise<void> => {
    for await (const _ of client.watchExperts({ model: '', afterRevision: 0n }, { signal }));
  };
  const later = (): AbortSignal => {
    const controller = new AbortController();
    setTimeout(() => controller.abort(), 20);
    return controller.signal;
  };
  const calls = [(signal: AbortSignal) => client.getModel({ name: 'm' }, { signal }), watch];
  for (const call of calls) {
    await assert.rejects(call(later()), withReason('CANCELLED', /cancelled/));
    await assert.rejects(call(AbortSignal.abort()), withReason('CANCELLED', /cancelled/));
    await assert.rejects(call(AbortSignal.timeout(20)), withReason('DEADLINE', /time/));
  }
});

test('trailers of unary calls and of streams reach the caller', async (t) => {
  const { client } = await start(t, {
    getModel: async (_request, call) => {
      call.setTrailer('zmesh-note', 'one');
      return { model: undefined };
    },
    watchExperts: async function* (_request, call) {
      yield { revision: 1n, event: undefined, current: true };
      call.setTrailer('zmesh-note', 'two');
    },
  });
  const notes: (string | undefined)[] = [];
  const onTrailers = (get: (key: string) => string | undefined): void => {
    notes.push(get('zmesh-note'));
  };
  await client.getModel({ name: 'm' }, { onTrailers });
  for await (const _ of client.watchExperts({ model: '', afterRevision: 0n }, { onTrailers }))
    assert.ok(true);
  assert.deepEqual(notes, ['one', 'two']);
});

test('a client stream is read to its end', async (t) => {
  const { client } = await start(t, {
    restoreRegistry: async (requests) => {
      let created = 0n;
      for await (const request of requests) created += BigInt(request.record?.format ?? 0);
      return { created, kept: 0n };
    },
  });
  const requests: RestoreRegistryRequest[] = [1, 2, 3].map((format) => ({
    record: { format, record: undefined },
  }));
  assert.deepEqual(await client.restoreRegistry(requests), { created: 6n, kept: 0n });
});

test('a peer that cannot be reached is the reason the client was given', async () => {
  const client = connect(ExpertRegistryServiceService, {
    address: '127.0.0.1:1',
    unavailable: 'REGISTRY_UNAVAILABLE',
  });
  await assert.rejects(
    client.getModel(GetModelRequest.create({}), { timeoutMs: 2000 }),
    (error: ZmeshError) => error.reason === 'REGISTRY_UNAVAILABLE' && error.code === 'UNAVAILABLE',
  );
  client.close();
});

test('a taken port is one clear line', async (t) => {
  const { server } = await start(t, {});
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  await assert.rejects(
    serve({ host: '127.0.0.1', port: server.port, services: [], log }),
    withReason('INVALID_FIELD', new RegExp(`cannot listen on 127.0.0.1:${server.port}: the port is taken`)),
  );
});

test('draining lets a running stream finish', async (t) => {
  const { client, server } = await start(t, {
    watchExperts: async function* () {
      for (let i = 1n; i <= 5n; i++) {
        yield { revision: i, event: undefined, current: false };
        await sleep(20);
      }
    },
  });
  const seen: bigint[] = [];
  let draining: Promise<void> | undefined;
  for await (const message of client.watchExperts({ model: '', afterRevision: 0n })) {
    seen.push(message.revision);
    draining ??= server.drain(5000);
  }
  await draining;
  assert.deepEqual(seen, [1n, 2n, 3n, 4n, 5n]);
});

for (const whose of ['keepaliveMs', 'serverKeepaliveMs'])
  test(`draining lets a running stream finish that is longer than ${whose}`, async (t) => {
    const { client, server } = await start(
      t,
      {
        watchExperts: async function* () {
          for (let i = 1n; i <= 40n; i++) {
            yield { revision: i, event: undefined, current: false };
            await sleep(20);
          }
        },
      },
      { [whose]: 200 },
    );
    const seen: bigint[] = [];
    let draining: Promise<void> | undefined;
    for await (const message of client.watchExperts({ model: '', afterRevision: 0n })) {
      seen.push(message.revision);
      draining ??= server.drain(5000);
    }
    await draining;
    assert.equal(seen.at(-1), 40n);
  });

test('a call that is not over when a drain must be ends with DRAINING, for its handler too', async (t) => {
  let signal: AbortSignal | undefined;
  const { client, server } = await start(t, {
    watchExperts: async function* (_, call) {
      signal = call.signal;
      for (let i = 1n; !call.signal.aborted; i++) {
        yield { revision: i, event: undefined, current: false };
        await sleep(20);
      }
    },
  });
  let draining: Promise<void> | undefined;
  await assert.rejects(
    async () => {
      for await (const _ of client.watchExperts({ model: '', afterRevision: 0n }))
        draining ??= server.drain(200);
    },
    withReason('DRAINING', /was not over within 200 ms; what was sent is incomplete/),
  );
  await draining;
  assert.equal(ZmeshError.from(signal?.reason).reason, 'DRAINING');
});

function deferred(): { promise: Promise<void>; resolve(): void } {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}
