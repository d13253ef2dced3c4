import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pino from 'pino';
import {
  ComputeGradientResponse,
  EncodeTokensRequest,
  GenerateTokensRequest,
  InferenceServiceService,
  ScoreRequest,
} from '#proto/zmesh/v1/inference.js';
import { ZmeshError } from '#shared/errors.js';
import { bind } from '#shared/rpc/bind.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { type RpcServer, serve } from '#shared/rpc/server.js';
import { spansFromOtlp } from '#shared/telemetry/otlp-json.js';
import { activeTraceId, recordSpan, streamWithSpan, withSpan } from '#shared/telemetry/spans.js';
import { startTelemetry, type Telemetry } from '#shared/telemetry/start.js';
import type { StoredSpan } from '#shared/telemetry/stored-trace.js';
import { type FakeCollector, httpCollector } from './fake-collector.js';

const log = pino({ level: 'silent' });
let collector: FakeCollector;
let telemetry: Telemetry;
let server: RpcServer;
let client: RpcClient<typeof InferenceServiceService>;
const seen: string[] = [];

before(async () => {
  collector = await httpCollector();
  telemetry = startTelemetry('both', {
    traceSink: collector.url,
    log,
    env: { OTEL_TRACES_SAMPLER: 'always_off' },
  });
  server = await serve({
    host: '127.0.0.1',
    port: 0,
    log,
    services: [
      bind(InferenceServiceService, {
        async encodeTokens() {
          await new Promise((resolve) => setTimeout(resolve, 5));
          seen.push(activeTraceId());
          await withSpan('work', {}, () => {});
          return { tokenIds: [1], rendered: '', contextLength: 8 };
        },
        async *generateTokens() {
          for (let n = 0; n < 3; n++) {
            await Promise.resolve();
            recordSpan('engine decode', { startMs: Date.now() - 1, endMs: Date.now() });
            yield { event: undefined };
          }
        },
        async listServedModels() {
          return { models: [] };
        },
        async computeGradient() {
          return ComputeGradientResponse.create();
        },
        async loadMultipliers() {
          return { expert: '', leaseMs: 0n, draftsMax: 0 };
        },
        score() {
          return Promise.reject(new ZmeshError('QUEUE_FULL', 'the queue is full'));
        },
      }),
    ],
  });
  client = connect(InferenceServiceService, {
    address: server.address,
    unavailable: 'INFERENCE_UNAVAILABLE',
  });
});

after(async () => {
  client.close();
  await server.drain(1000);
  await collector[Symbol.asyncDispose]();
});

const named = (spans: StoredSpan[], name: string, kind: StoredSpan['kind']): StoredSpan => {
  const found = spans.filter((span) => span.name === name && span.kind === kind);
  assert.equal(found.length, 1, `${kind} ${name}`);
  return found[0]!;
};

describe('over real gRPC', { concurrency: 1 }, () => {
  test('the trace goes from the caller through client, server and handler, unsampled as the head decided', async () => {
    let inside = '';
    await withSpan('question', {}, async () => {
      inside = activeTraceId();
      await client.encodeTokens(EncodeTokensRequest.create());
      for await (const _ of streamWithSpan('second pass', {}, () =>
        client.generateTokens(GenerateTokensRequest.create()),
      ));
      await client.score(ScoreRequest.create()).catch(() => {});
    });
    await telemetry.shutdown();
    const spans = collector.received.flatMap((message) => spansFromOtlp(JSON.parse(message.body.toString())));
    assert.deepEqual(seen, [inside]);
    assert.deepEqual(new Set(spans.map((span) => span.traceId)), new Set([inside]));
    assert(spans.every((span) => !span.sampled));

    const rpc = (method: string): string => `zmesh.v1.InferenceService/${method}`;
    const question = named(spans, 'question', 'internal');
    for (const [method, parent] of [
      ['EncodeTokens', question],
      ['GenerateTokens', named(spans, 'second pass', 'internal')],
      ['Score', question],
    ] as const) {
      const out = named(spans, rpc(method), 'client');
      const into = named(spans, rpc(method), 'server');
      assert.equal(out.parentSpanId, parent.spanId, method);
      assert.equal(into.parentSpanId, out.spanId, method);
      assert.equal(into.remoteParent, true);
      assert.equal(into.attributes['rpc.method'], rpc(method));
      assert.equal(into.attributes['rpc.status_code'], method === 'Score' ? 'RESOURCE_EXHAUSTED' : 'OK');
    }
    assert.equal(
      named(spans, 'work', 'internal').parentSpanId,
      named(spans, rpc('EncodeTokens'), 'server').spanId,
    );
    const decodes = spans.filter((span) => span.name === 'engine decode');
    assert.deepEqual(
      decodes.map((span) => span.parentSpanId),
      Array(3).fill(named(spans, rpc('GenerateTokens'), 'server').spanId),
    );
    // By the conventions a full queue is the caller's failure and not the server's.
    assert.equal(named(spans, rpc('Score'), 'client').failed, true);
    assert.equal(named(spans, rpc('Score'), 'server').failed, false);
  });
});
