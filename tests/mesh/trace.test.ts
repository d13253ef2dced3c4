import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { Writable } from 'node:stream';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { traceSettings } from '#deploy/local/traces/config.js';
import { startTraceSink } from '#deploy/local/traces/sink.js';
import { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { traceCommand } from '#services/cli/trace/command.js';
import { loadSettings } from '#shared/config.js';
import type { ServiceMessage } from '#shared/lifecycle.js';
import { createLog } from '#shared/log.js';
import { connect } from '#shared/rpc/client.js';
import { activeTraceId, withSpan } from '#shared/telemetry/spans.js';
import { startTelemetry } from '#shared/telemetry/start.js';
import type { StoredTrace } from '#shared/telemetry/stored-trace.js';
import { AUTO, ask, eventually } from '../contract/dispatcher/harness.js';
import { BASIS, FINGERPRINT, published, toyModel } from '../contract/registry/fixture.js';
import { lastFirst } from '../support/cleanup.js';
import { fakeModel, startFakeInference } from '../support/fake-inference.js';
import { withNats } from '../support/nats.js';

// Real processes of the registry and the dispatcher with a real nats-server. Inference is the test's own fake in this process, so
// the engine's phases are not here. Nothing is sampled: whatever is kept is kept by the tail rules.
const cleanup = lastFirst({ after });
const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
const sink = await startTraceSink(loadSettings(traceSettings, { ZMESH_TRACE_SLOW_MS: '1500' }));
cleanup.after(sink.close);
const unsampled = { OTEL_TRACES_SAMPLER: 'always_off', ZMESH_TRACE_SINK: sink.url };
const telemetry = startTelemetry('test', { log, env: unsampled });
cleanup.after(() => telemetry.shutdown());
const nats = await withNats(cleanup);

/** Starts a service's own process; gives its address. */
async function start(service: string, env: NodeJS.ProcessEnv): Promise<string> {
  const main = fileURLToPath(new URL(`../../services/${service}/main.js`, import.meta.url));
  const child = fork(main, {
    env: { ...process.env, ZMESH_LOG_LEVEL: 'silent', ...unsampled, ...env },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exit = once(child, 'exit');
  cleanup.after(async () => {
    child.kill('SIGTERM');
    await exit;
  });
  const [message] = (await once(child, 'message')) as [ServiceMessage];
  assert(message.type === 'ready' && message.address, JSON.stringify(message));
  return message.address;
}

const inference = await startFakeInference();
cleanup.after(inference.stop);
inference.models = [fakeModel('toy', { fingerprint: FINGERPRINT, basisId: BASIS })];
inference.likelihood = (label) => (label === 'math' ? 0 : -9);
const registryAddress = await start('expert-registry', { ZMESH_NATS_URL: nats.url });
const registry = connect(ExpertRegistryServiceService, {
  address: registryAddress,
  unavailable: 'REGISTRY_UNAVAILABLE',
});
cleanup.after(() => registry.close());
await registry.publishModel({ model: toyModel() });
await published(registry, 1, {}, 'stable');
const dispatcherAddress = await start('dispatcher', {
  ZMESH_INFERENCE_ADDRESS: inference.address,
  ZMESH_REGISTRY_ADDRESS: registryAddress,
});
const dispatcher = connect(DispatcherServiceService, { address: dispatcherAddress, unavailable: 'INTERNAL' });
cleanup.after(() => dispatcher.close());

/** A trace with all of its spans; the client's own, here in this process, may come last. */
async function traceOf(id: string): Promise<StoredTrace> {
  await eventually(`trace ${id} is complete`, async () => {
    const found = sink.store.find(id)[0];
    return found?.summary.complete === true && found.spans.some((span) => span.parentSpanId === undefined);
  });
  return sink.store.find(id)[0]!;
}

/** Each span's name under that of its parent, from the top. */
function paths({ spans }: StoredTrace): string[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const pathOf = (id: string): string => {
    const span = byId.get(id)!;
    const name = `${span.service}:${span.name.replace(/^zmesh\.v1\./, '')}`;
    return span.parentSpanId && byId.has(span.parentSpanId) ? `${pathOf(span.parentSpanId)} > ${name}` : name;
  };
  return spans.map((span) => pathOf(span.spanId));
}

describe('traces over processes', { concurrency: 1 }, () => {
  test('one tree spans the client, the dispatcher and both passes; a slow one is kept though nothing is sampled', async () => {
    inference.before = (what) =>
      new Promise((resolve) => setTimeout(resolve, what === 'generate' ? 1600 : 0));
    const { receipt } = await dispatcher.complete({ request: ask(AUTO) });
    inference.before = async () => {};
    const trace = await traceOf(receipt!.traceId);
    const top = 'test:DispatcherService/Complete > dispatcher:DispatcherService/Complete';
    assert.deepEqual(
      // Once in a while a request also refreshes the list of models.
      paths(trace)
        .filter((path) => !path.includes('ListServedModels'))
        .sort(),
      [
        'test:DispatcherService/Complete',
        top,
        `${top} > dispatcher:first pass`,
        `${top} > dispatcher:first pass > dispatcher:InferenceService/Score`,
        `${top} > dispatcher:first pass > dispatcher:InferenceService/Score > test:InferenceService/Score`,
        `${top} > dispatcher:second pass`,
        `${top} > dispatcher:second pass > dispatcher:InferenceService/GenerateTokens`,
        `${top} > dispatcher:second pass > dispatcher:InferenceService/GenerateTokens > test:InferenceService/GenerateTokens`,
      ].sort(),
    );
    assert(trace.spans.every((span) => !span.sampled));
    const second = trace.spans.find((span) => span.name === 'second pass');
    assert(second!.durationMs >= 1599 && second!.durationMs < 5000, `${second?.durationMs} ms`);
    await eventually(
      'it is judged',
      async () => sink.store.find(receipt!.traceId)[0]?.summary.keep === 'slow',
    );
  });

  test('a refused question is kept as failed, a quick one that went well is let go', async () => {
    let refused = '';
    await withSpan('refused', {}, async () => {
      refused = activeTraceId();
      await assert.rejects(
        dispatcher.complete({ request: ask({ $case: 'expert', value: { expert: 'nobody' } }) }),
      );
    });
    const { receipt } = await dispatcher.complete({ request: ask(AUTO) });
    await traceOf(receipt!.traceId);
    await eventually('the quick one is gone', async () => sink.store.find(receipt!.traceId).length === 0);
    await eventually(
      'the refused one is judged',
      async () => sink.store.find(refused)[0]?.summary.keep === 'failed',
    );
  });

  test('a publish goes on over NATS in the trace of its request', async () => {
    let publishTrace = '';
    await withSpan('publish', {}, async () => {
      publishTrace = activeTraceId();
      await published(registry, 2, { name: 'code', label: 'code' });
    });
    await eventually('the event is in it', async () => {
      const trace = sink.store.find(publishTrace)[0];
      return (
        trace !== undefined &&
        paths(trace).some((path) => /PublishExpert > expert-registry:send zmesh\.experts\./.test(path))
      );
    });
  });

  test('zmesh trace draws both passes and gives their percentiles', async () => {
    let out = '';
    const into = new Writable({
      write(chunk, _encoding, done) {
        out += chunk;
        done();
      },
    });
    const io = { endpoint: sink.url, out: into, columns: 120, colour: false };
    await dispatcher.complete({ request: ask(AUTO) });
    assert.equal(await traceCommand(['--last'], io), 0);
    assert.match(out, /first pass {2}auto → prompt · math 1\.00/);
    assert.match(out, /second pass {2}math@[0-9a-f]{12}/);
    out = '';
    assert.equal(await traceCommand(['--stats'], io), 0);
    assert.match(out, /^first pass +auto +3 +0 /m);
    assert.match(out, /^second pass +auto +3 +0 /m);
  });
});
