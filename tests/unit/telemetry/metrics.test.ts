import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { observeQueueDepth, recordRequest } from '#shared/telemetry/metrics.js';

test('instruments that were used before telemetry started speak once it has, and queues are read when asked', async () => {
  const outcome = {
    operation: 'chat',
    model: 'm',
    strategy: 'none',
    durationMs: 40,
    inputTokens: 3,
    outputTokens: 1,
  } as const;
  recordRequest(outcome);
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));

  recordRequest({ ...outcome, timeToFirstTokenMs: 40 });
  let depth = 4;
  let asked = 0;
  const stop = observeQueueDepth('m', () => {
    asked++;
    return [
      { priority: 'interactive', depth },
      { priority: 'batch', depth: 2 },
    ];
  });
  const read = async (): Promise<Map<string, unknown[]>> => {
    exporter.reset();
    await reader.forceFlush();
    const all = exporter
      .getMetrics()
      .at(-1)!
      .scopeMetrics.flatMap((scope) => scope.metrics);
    return new Map(
      all.map((metric) => [
        metric.descriptor.name,
        metric.dataPoints.map((point) => [point.attributes['zmesh.priority'], point.value]),
      ]),
    );
  };
  const first = await read();
  assert.deepEqual(first.get('zmesh.requests'), [[undefined, 1]], 'the one after the start');
  assert.equal(first.has('zmesh.errors'), false);
  // With a single token there is no time between tokens.
  assert.equal(first.has('gen_ai.server.time_per_output_token'), false);
  assert.deepEqual(first.get('zmesh.engine.queue.depth'), [
    ['interactive', 4],
    ['batch', 2],
  ]);
  depth = 0;
  assert.deepEqual((await read()).get('zmesh.engine.queue.depth')?.[0], ['interactive', 0]);
  stop();
  const before = asked;
  await read();
  assert.equal(asked, before, 'a queue that is gone is not asked');
  await reader.shutdown();
});
