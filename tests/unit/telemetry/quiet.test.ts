import assert from 'node:assert/strict';
import { after, beforeEach, describe, test } from 'node:test';
import { context, propagation, ROOT_CONTEXT } from '@opentelemetry/api';
import {
  AlwaysOnSampler,
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { respectQuiet, withoutSpans } from '#shared/telemetry/quiet.js';
import { recordEverything } from '#shared/telemetry/sampler.js';
import { activeTraceId, withSpan } from '#shared/telemetry/spans.js';

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({
  spanProcessors: [new SimpleSpanProcessor(exporter)],
  sampler: respectQuiet(recordEverything(new AlwaysOnSampler())),
});
provider.register();
beforeEach(() => exporter.reset());
after(() => provider.shutdown());

const names = () => exporter.getFinishedSpans().map(({ name }) => name);

describe('withoutSpans', () => {
  test('makes no spans inside, at any depth, and keeps the id of the trace', async () => {
    await withSpan('wave', {}, async (wave) => {
      await withoutSpans(() =>
        withSpan('call', {}, () =>
          withSpan('deeper', {}, () => assert.equal(activeTraceId(), wave.spanContext().traceId)),
        ),
      );
      await withSpan('after', {}, () => {});
    });
    assert.deepEqual(names(), ['after', 'wave']);
  });

  test('holds in the processes that are called', async () => {
    const headers: Record<string, string> = {};
    await withSpan('wave', {}, () =>
      withoutSpans(() => withSpan('call', {}, () => propagation.inject(context.active(), headers))),
    );
    const caller = propagation.extract(ROOT_CONTEXT, headers);
    await withSpan('served', { parent: caller }, () => withSpan('engine', {}, () => {}));
    assert.deepEqual(names(), ['wave']);
  });

  test('outside of a trace only runs', () => {
    assert.equal(
      withoutSpans(() => 7),
      7,
    );
  });
});
