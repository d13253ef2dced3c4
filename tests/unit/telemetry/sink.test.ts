import assert from 'node:assert/strict';
import { createServer, get as httpGet } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';
import { traceSettings } from '#deploy/local/traces/config.js';
import { startTraceSink, type TraceSink } from '#deploy/local/traces/sink.js';
import { loadSettings } from '#shared/config.js';
import { sinkProcessor } from '#shared/telemetry/sink-processor.js';
import type { StoredTrace, TraceSummary } from '#shared/telemetry/stored-trace.js';
import { httpCollector } from './fake-collector.js';

const settings = loadSettings(traceSettings, {});

describe('the sink over HTTP', () => {
  let sink: TraceSink;
  before(async () => {
    sink = await startTraceSink(settings);
  });
  after(() => sink.close());

  const get = async (path: string): Promise<{ status: number; body: unknown }> => {
    const response = await fetch(sink.url + path);
    return { status: response.status, body: await response.json() };
  };
  const post = async (
    body: string,
    headers: Record<string, string> = { 'content-type': 'application/json' },
  ) => (await fetch(`${sink.url}/v1/traces`, { method: 'POST', headers, body })).status;

  test('spans that a processor sends are listed, found by id and counted', async () => {
    const processor = sinkProcessor({ url: sink.url });
    const provider = new NodeTracerProvider({ spanProcessors: [processor] });
    const tracer = provider.getTracer('test');
    const span = tracer.startSpan('first pass', { attributes: { 'zmesh.strategy': 'prompt' } });
    span.end();
    await processor.forceFlush();
    const { traceId } = span.spanContext();
    const listed = (await get('/traces')).body as TraceSummary[];
    assert.deepEqual(
      listed.map((trace) => [trace.traceId, trace.complete, trace.keep]),
      [[traceId, true, 'pending']],
    );
    const found = (await get(`/traces/${traceId.slice(0, 8)}`)).body as StoredTrace;
    assert.equal(found.spans[0]?.name, 'first pass');
    const [line] = (await get('/stats')).body as { phase: string; group: string; count: number }[];
    assert.deepEqual([line?.phase, line?.group, line?.count], ['first pass', 'prompt', 1]);
    assert.equal(processor.dropped(), 0);
    await provider.shutdown();
  });

  test('it listens on loopback alone, and answers to no other name', async () => {
    assert.match(sink.url, /^http:\/\/127\.0\.0\.1:\d+$/);
    const status = await new Promise((resolve) => {
      const headers = { host: 'evil.example' };
      httpGet(`${sink.url}/traces`, { headers }, (response) => resolve(response.resume().statusCode));
    });
    assert.equal(status, 403);
  });

  test('what is no OTLP JSON is refused, and nothing is stored', async () => {
    const before = ((await get('/traces')).body as unknown[]).length;
    assert.equal(await post('{"resourceSpans": 3}'), 400);
    assert.equal(await post('not json'), 400);
    assert.equal(await post('{}', { 'content-type': 'application/x-protobuf' }), 415);
    assert.equal(await post('{}', { 'content-type': 'application/json', 'content-encoding': 'gzip' }), 415);
    assert.equal(((await get('/traces')).body as unknown[]).length, before);
  });

  test('a body of more than 16 MiB is refused with the limit', async () => {
    const response = await fetch(`${sink.url}/v1/traces`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: ' '.repeat(16 * 1024 * 1024 + 1),
    }).catch(() => undefined);
    // The connection may be cut while the rest is still on its way.
    if (response) assert.equal(response.status, 413);
    assert.equal(await post('{}'), 200, 'it goes on');
  });

  test('unknown traces, pages and methods are answered as such', async () => {
    assert.deepEqual(await get(`/traces/${'0'.repeat(32)}`), {
      status: 404,
      body: { error: `no trace ${'0'.repeat(32)} is kept here` },
    });
    assert.equal((await get('/else')).status, 404);
    assert.equal((await get('/traces?limit=0')).status, 400);
    assert.equal((await fetch(`${sink.url}/traces`, { method: 'DELETE' })).status, 405);
  });

  test('a taken port is one clear line', async () => {
    const port = Number(new URL(sink.url).port);
    await assert.rejects(startTraceSink({ ...settings, port }), {
      message: `trace sink: port ${port} is taken`,
    });
  });
});

describe('the way to the sink', () => {
  const spans = (count: number, processor: ReturnType<typeof sinkProcessor>): void => {
    const tracer = new NodeTracerProvider({ spanProcessors: [processor] }).getTracer('test');
    for (let n = 0; n < count; n++) tracer.startSpan('x').end();
  };

  test('a full queue drops what is new and counts it; the queue never grows past its limit', async () => {
    // Takes connections and never answers.
    const server = createServer(() => {});
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const processor = sinkProcessor({ url, batchMax: 10, queueMax: 50, timeoutMs: 200 });
    spans(500, processor);
    // 10 are on their way, 50 wait.
    assert.equal(processor.dropped(), 440);
    const begun = performance.now();
    await processor.shutdown();
    assert.equal(processor.dropped(), 500, 'what was not taken is counted too');
    assert(performance.now() - begun < 4000);
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });

  test('batches are bounded and sent one after another, in order', async () => {
    await using collector = await httpCollector();
    const processor = sinkProcessor({ url: collector.url, batchMax: 64 });
    spans(200, processor);
    await processor.shutdown();
    const sizes = collector.received.map(
      (message) => JSON.parse(message.body.toString()).resourceSpans[0].scopeSpans[0].spans.length,
    );
    assert.deepEqual(sizes, [64, 64, 64, 8]);
    spans(1, processor);
    assert.equal(collector.received.length, 4, 'nothing follows a shutdown');
  });

  test('spans that end after a slow message are sent by themselves, as those before it', async (t) => {
    const received: string[] = [];
    let answerFirst = (): void => {};
    const server = createServer((request, response) => {
      request
        .on('data', () => {})
        .on('end', () => {
          received.push(request.url ?? '');
          if (received.length > 1) response.end('{}');
          else answerFirst = () => response.end('{}');
        });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => {
      server.closeAllConnections();
      server.close();
    });
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const processor = sinkProcessor({ url, delayMs: 10 });
    const messages = async (count: number): Promise<void> => {
      const untilMs = performance.now() + 5000;
      while (received.length < count) {
        assert(performance.now() < untilMs, `${received.length} of ${count} messages came`);
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    };
    spans(1, processor);
    await messages(1);
    spans(1, processor);
    // The second span's delay runs out while the first message still waits for its answer.
    await new Promise((resolve) => setTimeout(resolve, 50));
    answerFirst();
    await messages(2);
    await new Promise((resolve) => setTimeout(resolve, 20));
    spans(1, processor);
    await messages(3);
    await processor.shutdown();
  });

  test('a sink that refuses loses the batch and gets the next one', async () => {
    await using collector = await httpCollector(503);
    const processor = sinkProcessor({ url: collector.url, batchMax: 5 });
    spans(10, processor);
    await processor.forceFlush();
    assert.equal(collector.received.length, 2);
    assert.equal(processor.dropped(), 10);
    await processor.shutdown();
  });
});
