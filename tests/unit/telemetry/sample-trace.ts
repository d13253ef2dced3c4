import { summarise } from '#deploy/local/traces/shape.js';
import type { StoredSpan, StoredTrace } from '#shared/telemetry/stored-trace.js';

/** 2026-11-24 12:00:00 UTC. */
export const T0 = Date.UTC(2026, 10, 24, 12);
export const TRACE_ID = '4bf92f3577b34da6a3ce929d0e0e4736';

/** A finished span of the sample trace; `startMs` counts from T0. */
export function span(given: Partial<StoredSpan> & { spanId: string; name: string }): StoredSpan {
  return {
    traceId: TRACE_ID,
    remoteParent: false,
    sampled: true,
    service: 'dispatcher',
    kind: 'internal',
    durationMs: 1,
    failed: false,
    message: '',
    attributes: {},
    events: [],
    ...given,
    spanId: given.spanId.padStart(16, '0'),
    startMs: T0 + (given.startMs ?? 0),
    ...(given.parentSpanId === undefined ? {} : { parentSpanId: given.parentSpanId.padStart(16, '0') }),
  };
}

const rpc = (method: string): string => `zmesh.v1.${method}`;

/** One question: both passes, the registry on a miss, the engine's phases. 100 ms. */
export function sampleSpans(): StoredSpan[] {
  const inference = { service: 'inference', remoteParent: true } as const;
  return [
    span({
      spanId: '1',
      name: rpc('DispatcherService/Generate'),
      kind: 'client',
      service: 'zmesh',
      durationMs: 100,
    }),
    span({
      spanId: '2',
      parentSpanId: '1',
      name: rpc('DispatcherService/Generate'),
      kind: 'server',
      remoteParent: true,
      startMs: 1,
      durationMs: 98,
    }),
    span({
      spanId: '3',
      parentSpanId: '2',
      name: 'first pass',
      startMs: 2,
      durationMs: 20,
      attributes: {
        'zmesh.strategy': 'auto',
        'zmesh.strategy.used': 'classifier',
        'zmesh.label': 'math',
        'zmesh.confidence': 0.9731,
      },
    }),
    span({
      spanId: '4',
      parentSpanId: '3',
      name: rpc('InferenceService/Score'),
      kind: 'client',
      startMs: 3,
      durationMs: 18,
    }),
    span({
      spanId: '5',
      parentSpanId: '4',
      name: rpc('InferenceService/Score'),
      kind: 'server',
      ...inference,
      startMs: 4,
      durationMs: 16,
    }),
    span({
      spanId: '6',
      parentSpanId: '5',
      name: 'engine queue',
      service: 'inference',
      startMs: 4.5,
      durationMs: 1.5,
      attributes: { 'zmesh.engine.request': 'score' },
    }),
    span({
      spanId: '7',
      parentSpanId: '5',
      name: 'engine prefill',
      service: 'inference',
      startMs: 6,
      durationMs: 13,
      attributes: { 'zmesh.engine.request': 'score', 'gen_ai.usage.input_tokens': 61 },
    }),
    span({
      spanId: '8',
      parentSpanId: '2',
      name: 'second pass',
      startMs: 22,
      durationMs: 76,
      attributes: {
        'zmesh.strategy': 'auto',
        'zmesh.strategy.used': 'classifier',
        'zmesh.experts': ['octo-nano/math@8d6f1c0a52be'],
      },
    }),
    span({
      spanId: '9',
      parentSpanId: '8',
      name: rpc('InferenceService/GenerateTokens'),
      kind: 'client',
      startMs: 23,
      durationMs: 74,
    }),
    span({
      spanId: 'a',
      parentSpanId: '9',
      name: rpc('InferenceService/GenerateTokens'),
      kind: 'server',
      ...inference,
      startMs: 24,
      durationMs: 72,
    }),
    span({
      spanId: 'b',
      parentSpanId: 'a',
      name: 'resolve mixture',
      service: 'inference',
      startMs: 24.5,
      durationMs: 9.5,
      attributes: { 'zmesh.experts.fetched': 1 },
    }),
    span({
      spanId: 'c',
      parentSpanId: 'b',
      name: rpc('ExpertRegistryService/GetExpertVectors'),
      kind: 'client',
      service: 'inference',
      startMs: 25,
      durationMs: 8,
    }),
    span({
      spanId: 'd',
      parentSpanId: 'c',
      name: rpc('ExpertRegistryService/GetExpertVectors'),
      kind: 'server',
      service: 'expert-registry',
      remoteParent: true,
      startMs: 26,
      durationMs: 6,
    }),
    span({
      spanId: 'e',
      parentSpanId: 'a',
      name: 'engine queue',
      service: 'inference',
      startMs: 34,
      durationMs: 0.04,
      attributes: { 'zmesh.engine.request': 'generate' },
    }),
    span({
      spanId: 'f',
      parentSpanId: 'a',
      name: 'engine prefill',
      service: 'inference',
      startMs: 34.04,
      durationMs: 7.96,
      attributes: {
        'zmesh.engine.request': 'generate',
        'gen_ai.usage.input_tokens': 40,
        'gen_ai.usage.cache_read.input_tokens': 12,
      },
    }),
    span({
      spanId: '10',
      parentSpanId: 'a',
      name: 'engine decode',
      service: 'inference',
      startMs: 42,
      durationMs: 53,
      attributes: { 'zmesh.engine.request': 'generate', 'gen_ai.usage.output_tokens': 24 },
    }),
  ];
}

/** Spans as the store would hand them out. */
export function stored(
  spans: readonly StoredSpan[],
  keep: StoredTrace['summary']['keep'] = 'sampled',
): StoredTrace {
  return { summary: summarise(spans, keep), spans };
}
