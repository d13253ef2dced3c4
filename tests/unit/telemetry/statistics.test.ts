import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createStatistics, quantile } from '#deploy/local/traces/statistics.js';
import { span } from './sample-trace.js';

const pass = (name: string, strategy: string, durationMs: number, failed = false) =>
  span({ spanId: '1', name, durationMs, failed, attributes: { 'zmesh.strategy': strategy } });

test('quantiles are those of NumPy', () => {
  // numpy.quantile([15, 20, 35, 40, 50], [0.4, 0.5, 0.9, 0.99]) and numpy.quantile(range(1, 11), [0.5, 0.9, 0.99])
  const five = [15, 20, 35, 40, 50];
  const expected: [number, number][] = [
    [0.4, 29],
    [0.5, 35],
    [0.9, 46],
    [0.99, 49.6],
    [0, 15],
    [1, 50],
  ];
  for (const [q, value] of expected) assert(Math.abs(quantile(five, q) - value) < 1e-12, `q ${q}`);
  const ten = Array.from({ length: 10 }, (_, index) => index + 1);
  for (const [q, value] of [
    [0.5, 5.5],
    [0.9, 9.1],
    [0.99, 9.91],
  ] as const) {
    assert(Math.abs(quantile(ten, q) - value) < 1e-12, `q ${q}`);
  }
  assert.equal(quantile([7], 0.99), 7);
  assert(Number.isNaN(quantile([], 0.5)));
});

test('passes are told apart by strategy, engine phases by the kind of request, and come in the order of a request', () => {
  const statistics = createStatistics();
  const engine = (name: string, request: string, durationMs: number) =>
    span({ spanId: '1', name, durationMs, attributes: { 'zmesh.engine.request': request } });
  statistics.add(engine('engine decode', 'generate', 30));
  statistics.add(
    span({ spanId: '1', name: 'zmesh.v1.InferenceService/Score', kind: 'server', durationMs: 5 }),
  );
  statistics.add(
    span({ spanId: '1', name: 'zmesh.v1.InferenceService/Score', kind: 'client', durationMs: 6 }),
  );
  statistics.add(engine('engine queue', 'score', 1));
  statistics.add(engine('engine queue', 'generate', 2));
  for (const ms of [40, 10, 30, 20]) statistics.add(pass('second pass', 'prompt', ms, ms === 40));
  statistics.add(pass('first pass', 'prompt', 8));
  statistics.add(pass('second pass', 'none', 12));
  assert.deepEqual(
    statistics
      .read()
      .map(({ phase, group, count, failed, p50, max }) => [phase, group, count, failed, p50, max]),
    [
      ['first pass', 'prompt', 1, 0, 8, 8],
      ['second pass', 'none', 1, 0, 12, 12],
      ['second pass', 'prompt', 4, 1, 25, 40],
      ['engine queue', 'generate', 1, 0, 2, 2],
      ['engine queue', 'score', 1, 0, 1, 1],
      ['engine decode', 'generate', 1, 0, 30, 30],
      ['zmesh.v1.InferenceService/Score', '', 1, 0, 5, 5],
    ],
  );
});

test('percentiles are of the latest spans, the count is of all', () => {
  const statistics = createStatistics({ windowMax: 4 });
  for (let ms = 1; ms <= 10; ms++) statistics.add(pass('first pass', 'auto', ms));
  const [line] = statistics.read();
  assert.deepEqual([line?.count, line?.p50, line?.max], [10, 8.5, 10]);
});

test('the number of series is bounded', () => {
  const statistics = createStatistics({ seriesMax: 3 });
  for (let n = 0; n < 10; n++) statistics.add(pass('first pass', `strategy ${n}`, 1));
  assert.equal(statistics.read().length, 3);
});
