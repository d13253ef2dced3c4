import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import { ZmeshError } from '#shared/errors.js';
import { epochOf, monotonicMs } from '#shared/telemetry/clock.js';
import { contentAttribute } from '#shared/telemetry/content.js';
import {
  activeContext,
  activeTraceId,
  recordSpan,
  streamWithSpan,
  withSpan,
} from '#shared/telemetry/spans.js';

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();
beforeEach(() => exporter.reset());
after(() => provider.shutdown());

const finished = () => exporter.getFinishedSpans().map((span) => span.name);
const only = () => {
  const spans = exporter.getFinishedSpans();
  assert.equal(spans.length, 1);
  return spans[0]!;
};

describe('withSpan', () => {
  test('gives back the value, ends with the promise and nests by the active context', async () => {
    const value = await withSpan('outer', { attributes: { a: 1 } }, async (outer) => {
      await withSpan('inner', {}, async () => {
        await Promise.resolve();
        assert.equal(activeTraceId(), outer.spanContext().traceId);
      });
      return 7;
    });
    assert.equal(value, 7);
    assert.deepEqual(finished(), ['inner', 'outer']);
    const [inner, outer] = exporter.getFinishedSpans();
    assert.equal(inner?.parentSpanContext?.spanId, outer?.spanContext().spanId);
    assert.deepEqual(outer?.attributes, { a: 1 });
  });

  test('marks a failure with its reason and throws it on', async () => {
    const error = new ZmeshError('UNKNOWN_EXPERT', 'no expert "x"');
    await assert.rejects(
      withSpan('fails', {}, () => Promise.reject(error)),
      error,
    );
    assert.deepEqual(only().status, { code: SpanStatusCode.ERROR, message: 'no expert "x"' });
    assert.equal(only().attributes['error.type'], 'UNKNOWN_EXPERT');
  });

  test('a fault of our own counts as INTERNAL', async () => {
    await assert.rejects(
      withSpan('breaks', {}, () => {
        throw new TypeError('x is undefined');
      }),
      TypeError,
    );
    assert.equal(only().attributes['error.type'], 'INTERNAL');
  });

  test('an explicit parent wins over the active span', async () => {
    await withSpan('active', {}, () => withSpan('root', { parent: ROOT_CONTEXT }, () => 1));
    assert.equal(exporter.getFinishedSpans()[0]?.parentSpanContext, undefined);
  });
});

describe('streamWithSpan', () => {
  async function* numbers(seen: (string | undefined)[], closed: string[] = []): AsyncGenerator<number> {
    try {
      for (let n = 0; n < 3; n++) {
        await Promise.resolve();
        seen.push(trace.getActiveSpan()?.spanContext().spanId);
        yield n;
      }
    } finally {
      closed.push('closed');
    }
  }

  test('every step runs inside the span, the reader does not, and the span ends with the stream', async () => {
    const seen: (string | undefined)[] = [];
    const got: number[] = [];
    for await (const n of streamWithSpan('stream', {}, () => numbers(seen))) {
      assert.equal(trace.getActiveSpan(), undefined);
      got.push(n);
    }
    assert.deepEqual(got, [0, 1, 2]);
    assert.deepEqual(new Set(seen), new Set([only().spanContext().spanId]));
  });

  test('a reader that leaves early closes the source and ends the span without a failure', async () => {
    const closed: string[] = [];
    for await (const _ of streamWithSpan('left', {}, () => numbers([], closed))) break;
    assert.deepEqual(closed, ['closed']);
    assert.equal(only().status.code, SpanStatusCode.UNSET);
  });

  test('a failure in the stream marks the span', async () => {
    async function* breaks(): AsyncGenerator<number> {
      yield 1;
      throw new ZmeshError('DEADLINE', 'too late');
    }
    await assert.rejects(async () => {
      for await (const _ of streamWithSpan('breaks', {}, breaks));
    }, /too late/);
    assert.equal(only().attributes['error.type'], 'DEADLINE');
  });
});

describe('recordSpan', () => {
  test('takes times and parent as they were measured, to the microsecond', async () => {
    const endMs = monotonicMs();
    const epochMs = epochOf(endMs);
    await withSpan('call', {}, () => {
      const parent = activeContext();
      recordSpan('engine prefill', { startMs: endMs - 12.5, endMs, parent, attributes: { n: 3 } });
    });
    const [phase, call] = exporter.getFinishedSpans();
    assert.equal(phase?.parentSpanContext?.spanId, call?.spanContext().spanId);
    const [seconds, nanos] = phase!.endTime;
    assert(Math.abs(seconds * 1000 + nanos / 1e6 - epochMs) < 0.01);
    assert(Math.abs(phase!.duration[1] - 12_500_000) < 1000);
  });

  test('an end before the start counts as no time at all', () => {
    recordSpan('odd', { startMs: 1_795_528_530_000, endMs: 1_795_528_529_000, error: new Error('x') });
    assert.deepEqual(only().duration, [0, 0]);
    assert.equal(only().status.code, SpanStatusCode.ERROR);
  });
});

test('phases are placed by the wall clock, and keep their lengths when it jumps', (t) => {
  const start = monotonicMs();
  assert(Math.abs(epochOf(start) - Date.now()) < 5);
  const wall = Date.now;
  t.after(() => {
    Date.now = wall;
  });
  Date.now = () => wall() + 3_600_000;
  const end = monotonicMs();
  assert(end >= start && end - start < 1000);
  assert(Math.abs(epochOf(end) - epochOf(start) - (end - start)) < 0.01);
});

test('prompts are read and written only if ZMESH_TRACE_CONTENT is true', () => {
  const forbidden = () => assert.fail('read the prompt');
  for (const env of [
    {},
    { ZMESH_TRACE_CONTENT: '' },
    { ZMESH_TRACE_CONTENT: 'false' },
    { ZMESH_TRACE_CONTENT: 'yes' },
  ]) {
    assert.deepEqual(contentAttribute('gen_ai.input.messages', forbidden, env), {});
  }
  assert.deepEqual(
    contentAttribute('k', () => 'secret', { ZMESH_TRACE_CONTENT: 'true' }),
    { k: 'secret' },
  );
});
