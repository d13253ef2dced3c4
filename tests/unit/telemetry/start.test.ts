import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { spansFromOtlp } from '#shared/telemetry/otlp-json.js';
import type { StoredSpan } from '#shared/telemetry/stored-trace.js';
import { type FakeCollector, grpcCollector, httpCollector } from './fake-collector.js';

const PROGRAM = fileURLToPath(new URL('./span-program.js', import.meta.url));
const TRACES = 10;

interface Run {
  readonly made: { traceId: string; flags: number; traceparent: string }[];
  readonly stderr: string;
  readonly wallMs: number;
}

/** Runs the program to its end; throws if it does not exit with 0. */
function run(env: Record<string, string>, traces = TRACES): Promise<Run> {
  const begun = performance.now();
  return new Promise((resolve, reject) => {
    const clean = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(OTEL|ZMESH)_/.test(name)),
    );
    execFile(
      process.execPath,
      [PROGRAM, String(traces)],
      { env: { ...clean, ...env } },
      (error, stdout, stderr) => {
        if (error) reject(error);
        else resolve({ made: JSON.parse(stdout), stderr, wallMs: performance.now() - begun });
      },
    );
  });
}

const jsonSpans = (collector: FakeCollector): StoredSpan[] =>
  collector.received
    .filter((message) => message.path === '/v1/traces')
    .flatMap((message) => spansFromOtlp(JSON.parse(message.body.toString())));

const occurrences = (collector: FakeCollector, path: string, text: string): number =>
  collector.received
    .filter((message) => message.path === path)
    .reduce((sum, message) => sum + message.body.toString('latin1').split(text).length - 1, 0);

const json = (collector: FakeCollector): Record<string, string> => ({
  OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
  OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
});
const ratio = (share: string): Record<string, string> => ({
  OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
  OTEL_TRACES_SAMPLER_ARG: share,
});

describe('export by the standard variables', { concurrency: 3 }, () => {
  test('with an endpoint and nothing else every trace is exported, with the resource and the headers that were set', async () => {
    await using collector = await httpCollector();
    const { made } = await run({
      ...json(collector),
      OTEL_EXPORTER_OTLP_HEADERS: 'x-key=secret',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    });
    const spans = jsonSpans(collector);
    assert.equal(spans.length, 3 * TRACES);
    assert.deepEqual(new Set(spans.map((span) => span.traceId)), new Set(made.map((one) => one.traceId)));
    assert(spans.every((span) => span.service === 'probe' && span.sampled));
    const [first] = collector.received;
    assert.equal(first?.headers['x-key'], 'secret');
    assert.match(first.body.toString(), /"deployment.environment.name","value":\{"stringValue":"test"\}/);
  });

  test('OTEL_SERVICE_NAME names the process', async () => {
    await using collector = await httpCollector();
    await run({ ...json(collector), OTEL_SERVICE_NAME: 'mine' }, 1);
    assert.deepEqual(new Set(jsonSpans(collector).map((span) => span.service)), new Set(['mine']));
  });

  test('a span knows its parent, its failure and its measured time', async () => {
    await using collector = await httpCollector();
    await run(json(collector), 1);
    const byName = new Map(jsonSpans(collector).map((span) => [span.name, span]));
    const ask = byName.get('ask');
    const [decode, refuse] = [byName.get('engine decode'), byName.get('refuse')];
    assert.equal(decode?.parentSpanId, ask?.spanId);
    assert(Math.abs(decode!.durationMs - 20) < 0.001, `${decode?.durationMs} ms`);
    assert(Math.abs(decode!.startMs + 20 - ask!.startMs) < 20, 'recorded on the same clock');
    assert.equal(refuse?.failed, true);
    assert.equal(refuse?.attributes['error.type'], 'UNKNOWN_EXPERT');
    assert.equal(refuse?.message, 'no expert "x"');
    assert.equal(ask?.failed, false);
  });

  test('ratio 0 exports nothing, and the traceparent says unsampled', async () => {
    await using collector = await httpCollector();
    const { made } = await run({ ...json(collector), ...ratio('0') });
    assert.equal(jsonSpans(collector).length, 0);
    assert(made.every((one) => one.traceparent === `00-${one.traceId}-${one.traceparent.split('-')[2]}-00`));
  });

  test('a ratio between exports whole traces, those whose traceparent says sampled and no others', async () => {
    await using collector = await httpCollector();
    const { made } = await run({ ...json(collector), ...ratio('0.5') }, 40);
    const sampled = made.filter((one) => one.flags === 1).map((one) => one.traceId);
    // 40 fair coins: fewer than 6 or more than 34 comes less often than once in a million runs.
    assert(sampled.length >= 6 && sampled.length <= 34, `${sampled.length} of 40`);
    const spans = jsonSpans(collector);
    assert.equal(spans.length, 3 * sampled.length);
    assert.deepEqual(new Set(spans.map((span) => span.traceId)), new Set(sampled));
  });

  test("a caller's decision counts, whatever the ratio", async () => {
    await using collector = await httpCollector();
    const parent = (id: string, flags: string) => ({
      TRACEPARENT: `00-${id.repeat(32)}-${'1'.repeat(16)}-${flags}`,
    });
    await run({ ...json(collector), ...ratio('1'), ...parent('a', '00') }, 1);
    assert.equal(jsonSpans(collector).length, 0);
    await run({ ...json(collector), ...ratio('0'), ...parent('b', '01') }, 1);
    const spans = jsonSpans(collector);
    assert.deepEqual(
      spans.map((span) => span.traceId),
      Array(3).fill('b'.repeat(32)),
    );
    assert.equal(spans.find((span) => span.name === 'ask')?.parentSpanId, '1'.repeat(16));
    assert.equal(spans.find((span) => span.name === 'ask')?.remoteParent, true);
  });

  test('grpc at ratio 1 sends spans and metrics, at ratio 0 metrics alone', async () => {
    await using all = await grpcCollector();
    await using none = await grpcCollector();
    const grpc = (collector: FakeCollector) => ({
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc',
    });
    await Promise.all([run({ ...grpc(all), ...ratio('1') }), run({ ...grpc(none), ...ratio('0') })]);
    const [traces, metrics] = ['trace.v1.TraceService', 'metrics.v1.MetricsService'].map(
      (service) => `/opentelemetry.proto.collector.${service}/Export`,
    ) as [string, string];
    assert.equal(occurrences(all, traces, 'engine decode'), TRACES);
    assert.equal(occurrences(none, traces, 'engine decode'), 0);
    for (const collector of [all, none]) assert.equal(occurrences(collector, metrics, 'zmesh.requests'), 1);
  });

  test('the default protocol is http/protobuf', async () => {
    await using collector = await httpCollector();
    await run({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url });
    assert.equal(collector.received[0]?.headers['content-type'], 'application/x-protobuf');
    assert.equal(occurrences(collector, '/v1/traces', 'engine decode'), TRACES);
    assert.equal(occurrences(collector, '/v1/metrics', 'gen_ai.server.time_to_first_token'), 1);
  });

  test('without an endpoint, with the exporter none or with the SDK disabled nothing is sent; trace ids are still made', async () => {
    await using collector = await httpCollector();
    const none = { ...json(collector), OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none' };
    const runs = await Promise.all([
      run({}, 1),
      run(none, 1),
      run({ ...json(collector), ZMESH_TRACE_SINK: collector.url, OTEL_SDK_DISABLED: 'true' }, 1),
    ]);
    assert.equal(collector.received.length, 0);
    for (const { made, stderr } of runs) {
      assert.match(made[0]!.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/);
      assert.equal(stderr, '');
    }
  });

  test('metrics carry the buckets of the conventions, and failures their reason', async () => {
    await using collector = await httpCollector();
    await run({ ...json(collector), OTEL_TRACES_EXPORTER: 'none' }, 0);
    const body = JSON.parse(
      collector.received.find((message) => message.path === '/v1/metrics')!.body.toString(),
    );
    const metrics = new Map<string, { dataPoints: Record<string, unknown>[] }>(
      body.resourceMetrics[0].scopeMetrics[0].metrics.map((metric: Record<string, never>) => [
        metric.name,
        metric.histogram ?? metric.sum,
      ]),
    );
    const [first] = metrics.get('gen_ai.server.time_to_first_token')!.dataPoints;
    assert.deepEqual(
      first?.explicitBounds,
      [0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    );
    assert.equal(first.sum, 0.1);
    // (0.3 s - 0.1 s) over the four tokens after the first.
    assert(
      Math.abs(Number(metrics.get('gen_ai.server.time_per_output_token')!.dataPoints[0]?.sum) - 0.05) < 1e-12,
    );
    assert.equal(metrics.get('gen_ai.server.request.duration')!.dataPoints.length, 2);
    const [error] = metrics.get('zmesh.errors')!.dataPoints;
    assert.match(JSON.stringify(error), /"error.type","value":\{"stringValue":"UNKNOWN_EXPERT"\}/);
    assert.equal(metrics.get('zmesh.tokens')!.dataPoints.length, 2);
  });

  test('values that are not understood are named in the log, and the defaults are used', async () => {
    await using collector = await httpCollector();
    const { stderr } = await run(
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'carrier-pigeon',
        OTEL_TRACES_EXPORTER: 'otlp,zipkin',
        OTEL_METRIC_EXPORT_INTERVAL: '-1',
        OTEL_TRACES_SAMPLER: 'sometimes',
      },
      1,
    );
    assert.match(
      stderr,
      /OTEL_EXPORTER_OTLP_PROTOCOL=carrier-pigeon is not one of grpc, http\/protobuf, http\/json/,
    );
    assert.match(stderr, /OTEL_TRACES_EXPORTER=zipkin is not one of otlp, console, none/);
    assert.match(stderr, /OTEL_METRIC_EXPORT_INTERVAL=-1 is not a whole number above 0; 60000 is used/);
    assert.match(stderr, /OTEL_TRACES_SAMPLER value .*sometimes/);
    assert.equal(occurrences(collector, '/v1/traces', 'engine decode'), 1);
  });
});

describe('the local sink', { concurrency: 3 }, () => {
  test('gets every span, sampled or not, while export and traceparent follow head sampling', async () => {
    await using collector = await httpCollector();
    await using sink = await httpCollector();
    const { made } = await run({ ...json(collector), ...ratio('0.5'), ZMESH_TRACE_SINK: sink.url }, 40);
    const sampled = new Set(made.filter((one) => one.flags === 1).map((one) => one.traceId));
    assert.equal(jsonSpans(collector).length, 3 * sampled.size);
    const spans = jsonSpans(sink);
    assert.equal(spans.length, 120);
    for (const span of spans) assert.equal(span.sampled, sampled.has(span.traceId));
  });

  test('gets all of a trace that the caller did not sample', async () => {
    await using sink = await httpCollector();
    const { made } = await run(
      { ZMESH_TRACE_SINK: sink.url, TRACEPARENT: `00-${'c'.repeat(32)}-${'1'.repeat(16)}-00` },
      1,
    );
    assert.equal(jsonSpans(sink).length, 3);
    assert.match(made[0]!.traceparent, /-00$/);
  });

  test('that is away costs the service neither its answer nor its exit, and is said once', async () => {
    const nobody = 'http://127.0.0.1:9';
    const { stderr, made, wallMs } = await run({ ZMESH_TRACE_SINK: nobody }, 600);
    assert.equal(made.length, 600);
    assert.equal(stderr.split('local trace sink').length - 1, 1, stderr);
    assert(wallMs < 5000, `${wallMs} ms`);
  });

  test('a collector that is away holds a drain up no longer than the limit of 2 s', async () => {
    const { made, wallMs } = await run({ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' });
    assert.equal(made.length, TRACES);
    assert(wallMs < 6000, `${wallMs} ms`);
  });
});
