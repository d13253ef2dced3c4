import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metrics } from '@opentelemetry/api';
import {
  AggregationTemporality,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import { counter, observeLevel, observeSum } from '#shared/telemetry/instruments.js';
import { recordFirstPass, recordRequest } from '#shared/telemetry/metrics.js';
import { observeProcess } from '#shared/telemetry/process-metrics.js';

interface Point {
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly value: unknown;
}

/** A meter provider of its own for a test, and what it has collected by name. */
function collector(): { read(): Promise<Map<string, readonly Point[]>>; stop(): Promise<void> } {
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
  return {
    async read() {
      exporter.reset();
      await reader.forceFlush();
      const scopes = exporter.getMetrics().at(-1)?.scopeMetrics ?? [];
      const all = scopes.flatMap((scope) => scope.metrics);
      return new Map(all.map((metric) => [metric.descriptor.name, metric.dataPoints as readonly Point[]]));
    },
    async stop() {
      await reader.shutdown();
      metrics.disable();
    },
  };
}

const outcome = {
  method: 'zmesh.v1.DispatcherService/Generate',
  operation: 'chat',
  model: 'm',
  strategy: 'prompt',
  code: 'OK',
  durationMs: 40,
  inputTokens: 3,
  outputTokens: 1,
} as const;
const asked = { 'gen_ai.request.model': 'm', 'zmesh.strategy': 'prompt' };
const method = { 'rpc.method': outcome.method };

test('instruments that were used before telemetry started speak once it has', async () => {
  const early = counter({ name: 'early', unit: '1', description: '' });
  early.add(1);
  const { read, stop } = collector();
  early.add(2);
  assert.deepEqual(
    (await read()).get('early')?.map(({ value }) => value),
    [2],
    'the one after the start',
  );
  await stop();
});

test('a request is counted by method, code and strategy, with its tokens and both passes', async () => {
  const { read, stop } = collector();
  recordFirstPass({ model: 'm', strategy: 'prompt', durationMs: 3, inputTokens: 20, outputTokens: 2 });
  recordRequest({ ...outcome, timeToFirstTokenMs: 40, secondPassMs: 30 });
  const found = await read();
  assert.deepEqual(found.get('zmesh.requests'), [
    {
      ...found.get('zmesh.requests')![0],
      attributes: { ...asked, ...method, 'rpc.status_code': 'OK' },
      value: 1,
    },
  ]);
  assert.equal(found.has('zmesh.errors'), false);
  // With a single token there is no time between tokens.
  assert.equal(found.has('gen_ai.server.time_per_output_token'), false);
  const passes = found.get('zmesh.pass.duration')!;
  assert.deepEqual(
    passes.map(({ attributes, value }) => [attributes['zmesh.pass'], (value as Histogram).sum]),
    [
      ['first', 0.003],
      ['second', 0.03],
    ],
  );
  assert.deepEqual(
    found.get('zmesh.tokens')!.map(({ attributes, value }) => [attributes['gen_ai.token.type'], value]),
    [
      ['input', 23],
      ['output', 3],
    ],
  );
  await stop();
});

test('a failure is counted by its reason, a classification without times of generation', async () => {
  const { read, stop } = collector();
  recordRequest({ ...outcome, operation: undefined, code: 'NOT_FOUND', failure: 'UNKNOWN_EXPERT' });
  const found = await read();
  assert.deepEqual(found.get('zmesh.errors')![0]!.attributes, {
    ...asked,
    ...method,
    'error.type': 'UNKNOWN_EXPERT',
  });
  assert.equal(found.get('zmesh.requests')![0]!.attributes['rpc.status_code'], 'NOT_FOUND');
  assert.equal(found.has('gen_ai.server.request.duration'), false);
  await stop();
});

test('levels and sums are read when metrics are collected, and no more once they are stopped', async () => {
  const { read, stop } = collector();
  let level = 4;
  let asks = 0;
  const measure = { name: 'level', unit: '1', description: '' };
  const stopLevel = observeLevel(measure, () => {
    asks++;
    return [
      { value: level, attributes: { which: 'a' } },
      { value: 2, attributes: { which: 'b' } },
    ];
  });
  const stopSum = observeSum({ ...measure, name: 'sum' }, () => [{ value: 7 }]);
  const first = await read();
  assert.deepEqual(
    first.get('level')!.map(({ attributes, value }) => [attributes.which, value]),
    [
      ['a', 4],
      ['b', 2],
    ],
  );
  assert.equal(first.get('sum')![0]!.value, 7);
  level = 0;
  assert.equal((await read()).get('level')![0]!.value, 0);
  stopLevel();
  stopSum();
  const before = asks;
  await read();
  assert.equal(asks, before, 'a level that is gone is not asked');
  await stop();
});

test('the process tells its memory, its CPU time and how late its event loop was', async () => {
  const { read, stop } = collector();
  const stopProcess = observeProcess();
  await new Promise((resolve) => setTimeout(resolve, 50));
  for (const until = performance.now() + 200; performance.now() < until; ) Math.sqrt(until);
  await new Promise((resolve) => setTimeout(resolve, 50));
  const found = await read();
  const value = (name: string): number => found.get(name)![0]!.value as number;
  assert.ok(value('nodejs.eventloop.delay.max') > 0.15, `${value('nodejs.eventloop.delay.max')} s`);
  assert.ok(value('nodejs.eventloop.utilization') > 0.3);
  const rss = process.memoryUsage.rss();
  assert.ok(Math.abs(value('process.memory.usage') / rss - 1) < 0.2);
  const cpu = found.get('process.cpu.time')!;
  assert.deepEqual(
    cpu.map(({ attributes }) => attributes['cpu.mode']),
    ['user', 'system'],
  );
  assert.ok((cpu[0]!.value as number) > 0.15);
  stopProcess();
  await stop();
});
