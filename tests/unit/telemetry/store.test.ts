import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { TraceStore, type TraceStoreOptions } from '#deploy/local/traces/store.js';
import type { StoredSpan } from '#shared/telemetry/stored-trace.js';
import { sampleSpans, span, T0, TRACE_ID } from './sample-trace.js';

/** A store with a clock that tests move. */
function storeAt(options: TraceStoreOptions = {}): {
  store: TraceStore;
  pass: (ms: number) => void;
} {
  let nowMs = T0;
  const store = new TraceStore({ now: () => nowMs, ...options });
  return {
    store,
    pass(ms) {
      nowMs += ms;
      store.sweep();
      store.checkIntegrity();
    },
  };
}

const id = (n: number): string => n.toString(16).padStart(32, '0');
const root = (n: number, given: Partial<StoredSpan> = {}): StoredSpan =>
  span({ traceId: id(n), spanId: '1', name: 'ask', sampled: false, startMs: n, ...given });
const kept = (store: TraceStore): string[] =>
  store.list(1000).map((trace) => `${trace.keep} ${Number(`0x${trace.traceId}`)}`);

describe('the tail decision', () => {
  test('an unsampled trace that was quick and right goes once it has settled', () => {
    const { store, pass } = storeAt();
    store.add([root(1, { durationMs: 1000 })]);
    pass(1999);
    assert.deepEqual(kept(store), ['pending 1']);
    pass(1);
    assert.deepEqual(kept(store), []);
  });

  test('a sampled one stays, and so do slow and failed ones that head sampling dropped', () => {
    const { store, pass } = storeAt({ slowMs: 1000 });
    store.add([root(1, { sampled: true }), root(2, { durationMs: 1000.001 }), root(3, { failed: true })]);
    pass(2000);
    assert.deepEqual(kept(store), ['failed 3', 'slow 2', 'sampled 1']);
  });

  test('a call answered with an error counts as failed even where conventions leave the server span unmarked', () => {
    const { store, pass } = storeAt();
    store.add([
      root(1, { kind: 'server', attributes: { 'rpc.status_code': 'NOT_FOUND' } }),
      root(2, { kind: 'server', attributes: { 'rpc.status_code': 'OK' } }),
    ]);
    pass(2000);
    assert.deepEqual(kept(store), ['failed 1']);
  });

  test('slow is the length of a topmost span, not that of the whole trace with its late followers', () => {
    const { store, pass } = storeAt({ slowMs: 1000 });
    store.add([
      root(1, { durationMs: 10 }),
      span({
        traceId: id(1),
        spanId: '2',
        parentSpanId: '1',
        name: 'process x',
        sampled: false,
        startMs: 5000,
      }),
    ]);
    pass(2000);
    assert.deepEqual(kept(store), []);
  });

  test('a trace whose enclosing span is still open is not judged while the request may run', () => {
    const { store, pass } = storeAt({ incompleteMs: 60_000 });
    store.add([span({ traceId: id(1), spanId: '3', parentSpanId: '2', name: 'first pass', sampled: false })]);
    pass(59_000);
    assert.equal(store.list(1)[0]?.complete, false);
    store.add([root(1, { spanId: '2', durationMs: 59_000 })]);
    pass(2000);
    assert.deepEqual(kept(store), ['slow 1']);
    assert.equal(store.find(id(1))[0]?.spans.length, 2, 'the early span was still there');
  });

  test('an incomplete trace that stays quiet is judged by what came', () => {
    const { store, pass } = storeAt({ incompleteMs: 60_000 });
    store.add([span({ traceId: id(1), spanId: '3', parentSpanId: '2', name: 'first pass', sampled: false })]);
    pass(60_000);
    assert.deepEqual(kept(store), []);
  });

  test('a call from outside the mesh is complete though its parent never comes', () => {
    const { store, pass } = storeAt();
    store.add([root(1, { parentSpanId: 'f', remoteParent: true, sampled: true })]);
    pass(2000);
    assert.deepEqual(
      store.list(1).map(({ complete, keep }) => ({ complete, keep })),
      [{ complete: true, keep: 'sampled' }],
    );
  });

  test('a late span that failed turns a sampled trace into a failed one', () => {
    const { store, pass } = storeAt();
    store.add([root(1, { sampled: true })]);
    pass(2000);
    store.add([span({ traceId: id(1), spanId: '2', parentSpanId: '1', name: 'process x', failed: true })]);
    store.checkIntegrity();
    assert.deepEqual(kept(store), ['failed 1']);
  });
});

describe('the limits', () => {
  test('past the number of traces the oldest ordinary one goes first', () => {
    const { store, pass } = storeAt({ tracesMax: 3 });
    for (const n of [1, 2, 3, 4, 5]) store.add([root(n, { sampled: true })]);
    pass(2000);
    assert.deepEqual(kept(store), ['sampled 5', 'sampled 4', 'sampled 3']);
  });

  test('a flood of ordinary traces pushes no failed one out, and a flood of failures leaves half for the others', () => {
    const { store, pass } = storeAt({ tracesMax: 40 });
    const count = (keep: string): number => kept(store).filter((line) => line.startsWith(keep)).length;
    store.add([root(1, { failed: true })]);
    pass(2000);
    for (let n = 2; n < 100; n++) store.add([root(n, { sampled: true })]);
    pass(2000);
    assert.deepEqual([count('failed'), count('sampled')], [1, 39]);
    for (let n = 100; n < 200; n++) {
      store.add([root(n, { failed: true })]);
      pass(2000);
    }
    const [failed, sampled] = [count('failed'), count('sampled')];
    assert(failed >= 19 && sampled >= 19 && failed + sampled <= 40, `${failed} failed, ${sampled} sampled`);
    assert.equal(kept(store)[0], 'failed 199');
  });

  test('a failed trace pushed out before its judgement is judged then, and stays', () => {
    const { store } = storeAt({ tracesMax: 2 });
    store.add([root(1, { failed: true })]);
    store.add([root(2)]);
    store.add([root(3)]);
    store.checkIntegrity();
    assert.deepEqual(kept(store), ['pending 3', 'failed 1']);
  });

  test('bytes are bounded too', () => {
    const { store, pass } = storeAt({ maxBytes: 20_000 });
    for (let n = 1; n <= 100; n++) {
      store.add([root(n, { sampled: true, message: 'x'.repeat(1000) })]);
      store.checkIntegrity();
    }
    pass(2000);
    const traces = kept(store);
    assert.equal(traces[0], 'sampled 100');
    assert(traces.length >= 10 && traces.length <= 19, `${traces.length} traces of a good kilobyte each`);
  });

  test('one trace holds a bounded number of spans, and the same span counts once', () => {
    const { store } = storeAt({ spansPerTraceMax: 5 });
    for (let n = 0; n < 10; n++) store.add([span({ spanId: String(n % 8), name: 'x' })]);
    store.add([span({ spanId: '0', name: 'x' })]);
    store.checkIntegrity();
    assert.equal(store.find(TRACE_ID)[0]?.spans.length, 5);
  });

  test('books balance under 2000 random arrivals', () => {
    let seed = 7;
    const random = (n: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor((seed / 2147483648) * n);
    };
    const { store, pass } = storeAt({ tracesMax: 20, maxBytes: 12_000, incompleteMs: 5000 });
    for (let step = 0; step < 2000; step++) {
      store.add([
        root(random(60), {
          spanId: String(random(9)),
          ...(random(3) === 0 ? { parentSpanId: String(random(9)) } : {}),
          failed: random(10) === 0,
          sampled: random(2) === 0,
          durationMs: random(1200),
          message: 'm'.repeat(random(400)),
        }),
      ]);
      store.checkIntegrity();
      if (random(5) === 0) pass(random(3000));
    }
    assert(store.list(1000).length > 3);
  });
});

describe('the list', () => {
  test('a question is told by its call to the dispatcher, and named by its topmost span', () => {
    const { store } = storeAt();
    store.add(sampleSpans());
    const [summary] = store.list(1);
    assert.deepEqual(summary, {
      traceId: TRACE_ID,
      name: 'zmesh.v1.DispatcherService/Generate',
      service: 'zmesh',
      startMs: T0,
      durationMs: 100,
      spans: 16,
      services: 4,
      failed: false,
      question: true,
      adaptation: false,
      complete: true,
      keep: 'pending',
    });
  });

  test('a trace is found by the beginning of its id, its spans in the order of their starts', () => {
    const { store } = storeAt();
    store.add([...sampleSpans()].reverse());
    const found = store.find(TRACE_ID.slice(0, 4));
    assert.equal(found.length, 1);
    const starts = found[0]!.spans.map((one) => one.startMs);
    assert.deepEqual(
      starts,
      [...starts].sort((a, b) => a - b),
    );
    assert.deepEqual(store.find('ffff'), []);
  });
});
