// A process that makes spans and a metric, as a service would. Run by tests with variables of their own.
// argv[2]: number of traces. stdout: the traces' ids and flags as JSON.
import { context, propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api';
import { ZmeshError } from '#shared/errors.js';
import { monotonicMs } from '#shared/telemetry/clock.js';
import { recordRequest } from '#shared/telemetry/metrics.js';
import { recordSpan, withSpan } from '#shared/telemetry/spans.js';
import { startTelemetry } from '#shared/telemetry/start.js';

const telemetry = startTelemetry('probe');
const carrier = process.env.TRACEPARENT ? { traceparent: process.env.TRACEPARENT } : {};
const caller = propagation.extract(ROOT_CONTEXT, carrier);
const made: { traceId: string; flags: number; traceparent: string }[] = [];
for (let n = 0; n < Number(process.argv[2]); n++) {
  await withSpan('ask', { parent: caller }, async () => {
    const headers: Record<string, string> = {};
    propagation.inject(context.active(), headers);
    const { traceId, traceFlags } = trace.getActiveSpan()!.spanContext();
    made.push({ traceId, flags: traceFlags, traceparent: headers.traceparent ?? '' });
    const endMs = monotonicMs();
    recordSpan('engine decode', {
      startMs: endMs - 20,
      endMs,
      attributes: { 'gen_ai.usage.output_tokens': 3 },
    });
    await withSpan('refuse', {}, () => {
      throw new ZmeshError('UNKNOWN_EXPERT', 'no expert "x"');
    }).catch(() => {});
  });
}
recordRequest({
  method: 'zmesh.v1.DispatcherService/Generate',
  code: 'OK',
  operation: 'chat',
  model: 'octo-nano',
  strategy: 'auto',
  durationMs: 300,
  timeToFirstTokenMs: 100,
  inputTokens: 12,
  outputTokens: 5,
});
recordRequest({
  method: 'zmesh.v1.DispatcherService/Generate',
  code: 'NOT_FOUND',
  operation: 'chat',
  model: 'octo-nano',
  strategy: 'auto',
  durationMs: 5,
  inputTokens: 0,
  outputTokens: 0,
  failure: 'UNKNOWN_EXPERT',
});
await telemetry.shutdown();
// As services end after their drain.
process.stdout.write(JSON.stringify(made), () => process.exit(0));
