import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, describe, test } from 'node:test';
import { context, trace } from '@opentelemetry/api';
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import type { RegistryEvent } from '#proto/zmesh/v1/events.js';
import { RegistryEvent as Event } from '#proto/zmesh/v1/events.js';
import { connectEvents } from '#shared/events/connection.js';
import { consume } from '#shared/events/consume.js';
import { consumeExpertEvents } from '#shared/events/expert-events.js';
import { EXPERT_STREAM } from '#shared/events/streams.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { published, startRegistry, toyModel } from './fixture.js';
import { createFixtureLog } from './log.js';

const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] });
provider.register();

const cleanup = lastFirst({ after });
cleanup.after(() => provider.shutdown());
const nats = await withNats(cleanup);
const { client, stop, connection, registry } = await startRegistry(nats.url);
cleanup.after(stop);
await client.publishModel({ model: toyModel() });

/** Reads events until one is the last; resolves with them and their subjects. */
async function readUntil(
  stream: number | 'new',
  last: (event: RegistryEvent) => boolean,
  begun?: () => void,
) {
  const stopping = new AbortController();
  const events: { event: RegistryEvent; sequence: number; traceId: string | undefined }[] = [];
  await consumeExpertEvents(connection, {
    after: stream,
    signal: stopping.signal,
    ...(begun ? { onCurrent: begun } : {}),
    onEvent(event, sequence) {
      events.push({ event, sequence, traceId: trace.getActiveSpan()?.spanContext().traceId });
      if (last(event)) stopping.abort();
    },
  });
  return events;
}

const isRetired = (event: RegistryEvent): boolean => event.change?.$case === 'expertRetired';

describe('registry events on NATS', () => {
  test('tell every kind of change in order, under the documented subjects', async () => {
    const version = await published(client, 1, { name: 'v1.5' }, 'stable');
    await client.deleteAlias({ model: 'toy', expert: 'v1.5', alias: 'stable', expectedVersion: version });
    await client.retireExpert({ name: `toy/v1.5@${version}` });
    const events = await readUntil(0, isRetired);
    assert.deepEqual(
      events.map(({ event }) => event.change),
      [
        { $case: 'modelPublished', value: { model: 'toy', fingerprint: 'ab'.repeat(32) } },
        {
          $case: 'expertPublished',
          value: {
            model: 'toy',
            expert: 'v1.5',
            version,
            label: 'math',
            description: 'sums and products',
            classifier: false,
            mixture: undefined,
            categories: [],
            gateFailed: false,
            basisId: `${'ab'.repeat(32)}:f64-1`,
            retired: false,
          },
        },
        { $case: 'aliasMoved', value: { model: 'toy', expert: 'v1.5', alias: 'stable', version } },
        { $case: 'aliasMoved', value: { model: 'toy', expert: 'v1.5', alias: 'stable', version: '' } },
        { $case: 'expertRetired', value: { model: 'toy', expert: 'v1.5', version } },
      ],
    );
    assert.deepEqual(
      events.map(({ event }) => Number(event.revision)),
      [1, 2, 3, 4, 5],
    );

    const subjects: string[] = [];
    const stopping = new AbortController();
    await consume(connection, {
      stream: EXPERT_STREAM,
      after: 0,
      signal: stopping.signal,
      onMessage({ subject, data }) {
        subjects.push(subject);
        if (isRetired(Event.decode(data))) stopping.abort();
      },
    });
    assert.deepEqual(subjects, [
      'zmesh.experts.model.toy',
      'zmesh.experts.published.toy.v1=5',
      'zmesh.experts.alias.toy.v1=5',
      'zmesh.experts.alias.toy.v1=5',
      'zmesh.experts.retired.toy.v1=5',
    ]);
  });

  test('continue the trace of the request that made the change', async () => {
    exporter.reset();
    const span = trace.getTracer('test').startSpan('a client publishes');
    const traceId = span.spanContext().traceId;
    let publishing: Promise<unknown> = Promise.resolve();
    const isAlias = (event: RegistryEvent): boolean => event.change?.$case === 'aliasMoved';
    const events = await readUntil('new', isAlias, () => {
      const inside = trace.setSpan(context.active(), span);
      publishing = context.with(inside, () => published(client, 2, {}, 'traced'));
    });
    await publishing;
    span.end();
    assert.deepEqual(
      events.map((event) => event.traceId),
      [traceId, traceId],
    );
    const spans = exporter.getFinishedSpans().filter((item) => item.spanContext().traceId === traceId);
    const byId = new Map(spans.map((item) => [item.spanContext().spanId, item]));
    const path = (name: string): string[] => {
      const names: string[] = [];
      for (
        let item = spans.find((candidate) => candidate.name === name);
        item;
        item = byId.get(item.parentSpanContext?.spanId ?? '')
      )
        names.push(item.name);
      return names;
    };
    const rpc = 'zmesh.v1.ExpertRegistryService/PublishExpert';
    assert.deepEqual(path('process zmesh.experts.published.toy.math'), [
      'process zmesh.experts.published.toy.math',
      'send zmesh.experts.published.toy.math',
      rpc,
      rpc,
      'a client publishes',
    ]);
    const sent = spans.find((item) => item.name === 'send zmesh.experts.published.toy.math')!;
    assert.equal(sent.attributes['messaging.system.name'], 'nats');
    assert.equal(sent.attributes['messaging.message.id'], `registry-${events[0]!.event.revision}`);
  });

  test('a reader goes on behind the last one it saw, through a kill of nats-server, without gap or repetition', async () => {
    const before = registry.view.revision;
    const reader = await connectEvents({ url: nats.url, name: 'reader', log: createFixtureLog() });
    cleanup.after(reader.close);
    const stopping = new AbortController();
    const seen: number[] = [];
    let resumeAt = 0;
    const from = (await connection.jsm.streams.info(EXPERT_STREAM)).state.last_seq;
    const reading = consumeExpertEvents(reader, {
      after: from,
      signal: stopping.signal,
      onEvent(event, sequence) {
        seen.push(Number(event.revision));
        if (seen.length === 3) resumeAt = sequence;
        if (event.change?.$case === 'expertPublished' && event.change.value.expert === 'z') stopping.abort();
      },
    });
    for (let i = 0; i < 3; i += 1) await published(client, i, { name: 'x' });
    await nats.kill();
    await nats.restart();
    for (let tries = 0; !connection.connected && tries < 200; tries += 1)
      await new Promise((resolve) => setTimeout(resolve, 25));
    for (let i = 0; i < 3; i += 1) await published(client, i, { name: 'y' });
    await published(client, 1, { name: 'z' });
    await reading;
    const expected = Array.from({ length: 7 }, (_, i) => before + 1 + i);
    assert.deepEqual(seen, expected);
    const resumed = await readUntil(
      resumeAt,
      (event) => event.change?.$case === 'expertPublished' && event.change.value.expert === 'z',
    );
    assert.deepEqual(
      resumed.map(({ event }) => Number(event.revision)),
      expected.slice(3),
    );
  });

  test('an error of the handler ends the reading with that error', async () => {
    const fault = new Error('no more');
    await assert.rejects(
      consumeExpertEvents(connection, {
        after: 0,
        signal: new AbortController().signal,
        onEvent() {
          throw fault;
        },
      }),
      fault,
    );
  });
});

describe('connecting', () => {
  test('an absent server is one clear error within its time', async () => {
    await assert.rejects(
      connectEvents({
        url: 'nats://127.0.0.1:1',
        name: 'x',
        log: createFixtureLog(),
        connectTimeoutMs: 1000,
      }),
      {
        reason: 'REGISTRY_UNAVAILABLE',
        message: /^NATS at nats:\/\/127\.0\.0\.1:1 cannot be reached: /,
      },
    );
  });

  test('an older server is refused by its version', async (t) => {
    const old = createServer((socket) => {
      const info = { server_id: 'x', version: '2.9.10', proto: 1, max_payload: 1_048_576, headers: true };
      socket.write(`INFO ${JSON.stringify(info)}\r\n`);
      socket.on('data', (data) => {
        if (data.includes('PING')) socket.write('PONG\r\n');
      });
      socket.on('error', () => {});
    }).listen(0, '127.0.0.1');
    t.after(() => old.close());
    await once(old, 'listening');
    const url = `nats://127.0.0.1:${(old.address() as { port: number }).port}`;
    await assert.rejects(connectEvents({ url, name: 'x', log: createFixtureLog() }), {
      reason: 'REGISTRY_UNAVAILABLE',
      message: `nats-server 2.9.10 at ${url} is too old, zmesh needs 2.11.0 or newer`,
    });
  });
});
