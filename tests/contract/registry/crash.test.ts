import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { RegistryEvent } from '#proto/zmesh/v1/events.js';
import {
  ExpertRegistryServiceService,
  type VerifyRegistryResponse,
} from '#proto/zmesh/v1/expert_registry.js';
import { consumeExpertEvents } from '#shared/events/expert-events.js';
import { connect } from '#shared/rpc/client.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { collect, published, spec, startRegistry, toyModel, vectors } from './fixture.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);

/** Publishes to a registry that kills itself at a step; resolves when it is dead. */
async function publishInto(moment: string, step: string, seed: number): Promise<string> {
  const child = fork(fileURLToPath(new URL('./crash-child.js', import.meta.url)), [nats.url, moment, step], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exit = once(child, 'exit');
  const [address] = (await once(child, 'message')) as [string];
  const client = connect(ExpertRegistryServiceService, { address, unavailable: 'REGISTRY_UNAVAILABLE' });
  const name = `${moment}-${step}`;
  const outcome = await client
    .publishExpert({ spec: spec({ name }), vectors: vectors(seed), alias: 'stable' }, { timeoutMs: 20_000 })
    .then(
      () => 'acknowledged',
      (error: { reason?: string }) => String(error.reason),
    );
  client.close();
  const [, signal] = await exit;
  assert.equal(signal, 'SIGKILL');
  return outcome;
}

describe('a registry that is killed with -9 while it publishes', () => {
  const steps = [
    ['before', 'blob', []],
    ['after', 'blob', []],
    ['before', 'version', []],
    ['after', 'version', ['published']],
    ['before', 'alias', ['published']],
    ['after', 'alias', ['published', 'alias']],
  ] as const;

  for (const [moment, step, done] of steps) {
    test(`${moment} the step "${step}": nothing incomplete is visible, and publishing again completes it`, async () => {
      const setup = await startRegistry(nats.url);
      await setup.client.publishModel({ model: toyModel() });
      await setup.stop();
      assert.equal(await publishInto(moment, step, 1), 'REGISTRY_UNAVAILABLE');

      const next = await startRegistry(nats.url);
      const name = `${moment}-${step}`;
      const { experts } = await next.client.listExperts({
        model: 'toy',
        name,
        includeRetired: true,
        pageSize: 0,
        pageToken: '',
      });
      assert.deepEqual(
        experts.map(({ aliases }) => ['published', ...aliases.map(() => 'alias')]),
        done.length === 0 ? [] : [[...done]],
      );
      for (const expert of experts) {
        const answer = await next.client.getExpertVectors({ name: `toy/${name}@${expert.version}` });
        assert.deepEqual(new Uint8Array(answer.vectors), new Uint8Array(vectors(1)));
      }
      const again = await next.client.publishExpert({
        spec: spec({ name }),
        vectors: vectors(1),
        alias: 'stable',
      });
      assert.equal(again.created, experts.length === 0);
      assert.deepEqual(again.expert!.aliases, ['stable']);
      assert.equal(faults(await collect(next.client.verifyRegistry({}))), 0n);
      await next.stop();
    });
  }

  test('every change has exactly one event, in the order of the revisions, whoever died', async () => {
    const registry = await startRegistry(nats.url);
    cleanup.after(registry.stop);
    await published(registry.client, 50, { name: 'last' });
    const events = await eventsUntil(
      registry.connection,
      (event) => event.change?.$case === 'expertPublished' && event.change.value.expert === 'last',
    );
    const head = registry.registry.view.revision;
    assert.deepEqual(
      events.map((event) => Number(event.revision)),
      Array.from({ length: head }, (_, i) => i + 1),
    );
  });
});

function faults(messages: readonly VerifyRegistryResponse[]): bigint {
  const summary = messages.at(-1)!;
  assert.equal(summary.record, '');
  assert.equal(summary.checked, summary.total);
  return summary.faults;
}

async function eventsUntil(
  connection: Parameters<typeof consumeExpertEvents>[0],
  last: (event: RegistryEvent) => boolean,
): Promise<RegistryEvent[]> {
  const stopping = new AbortController();
  const events: RegistryEvent[] = [];
  await consumeExpertEvents(connection, {
    after: 0,
    signal: stopping.signal,
    onEvent(event) {
      events.push(event);
      if (last(event)) stopping.abort();
    },
  });
  return events;
}
