import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { RegistryEvent } from '#proto/zmesh/v1/events.js';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { consumeExpertEvents } from '#shared/events/expert-events.js';
import { connect } from '#shared/rpc/client.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import {
  collect,
  published,
  type RegistryClient,
  spec,
  startRegistry,
  type TestRegistry,
  toyModel,
  vectors,
} from './fixture.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);

/** Versions of the expert that the changes are made to. */
interface Ground {
  readonly expert: string;
  /** Under the alias `stable`. */
  readonly first: string;
  readonly second: string;
}

/** One change and what a registry shows when it was made, and when it was not. */
interface Change {
  /** The step of the store around which the registry dies. */
  readonly step: string;
  make(client: RegistryClient, ground: Ground): Promise<unknown>;
  /** What there is to see of it. */
  show(client: RegistryClient, ground: Ground): Promise<unknown>;
  readonly undone: (ground: Ground) => unknown;
  readonly done: (ground: Ground) => unknown;
  /** When it was made again. Default `done`. */
  readonly repeated?: () => unknown;
}

const aliasOf = async (client: RegistryClient, { expert }: Ground): Promise<string> =>
  client.getExpert({ name: `toy/${expert}@stable` }).then(
    (answer) => answer.expert!.version,
    (error: { reason: string }) => error.reason,
  );

const modelOf = (client: RegistryClient, { expert }: Ground): Promise<unknown> =>
  client.getModel({ name: `${expert}-model` }).then(
    ({ model }) => model!.matrices[0]!.singularValues.length > 0,
    (error: { reason: string }) => error.reason,
  );

const otherModel = (expert: string) => toyModel({ name: `${expert}-model` });

const CHANGES: Readonly<Record<string, Change>> = {
  'an alias that moves': {
    step: 'alias',
    make: (client, { expert, second }) =>
      client.setAlias({ model: 'toy', expert, alias: 'stable', version: second, expectedVersion: undefined }),
    show: aliasOf,
    undone: ({ first }) => first,
    done: ({ second }) => second,
  },
  'an alias that is deleted': {
    step: 'alias',
    make: (client, { expert }) =>
      client.deleteAlias({ model: 'toy', expert, alias: 'stable', expectedVersion: undefined }),
    show: aliasOf,
    undone: ({ first }) => first,
    done: () => 'UNKNOWN_ALIAS',
  },
  'a version that is retired': {
    step: 'retired',
    make: (client, { expert, second }) => client.retireExpert({ name: `toy/${expert}@${second}` }),
    show: async (client, { expert, second }) =>
      (await client.getExpert({ name: `toy/${expert}@${second}` })).expert!.retired,
    undone: () => false,
    done: () => true,
  },
  'a model that is published': {
    step: 'model',
    make: (client, { expert }) => client.publishModel({ model: otherModel(expert) }),
    show: modelOf,
    undone: () => 'UNKNOWN_MODEL',
    done: () => true,
  },
  'a model whose manifest is written': {
    step: 'blob',
    make: (client, { expert }) => client.publishModel({ model: otherModel(expert) }),
    show: modelOf,
    undone: () => 'UNKNOWN_MODEL',
    done: () => 'UNKNOWN_MODEL',
    repeated: () => true,
  },
  'a publish whose event is relayed': {
    step: 'event',
    make: (client, { expert }) =>
      client.publishExpert({ spec: spec({ name: expert }), vectors: vectors(77), alias: '' }),
    show: async (client, { expert }) => {
      const page = { model: 'toy', name: expert, includeRetired: true, pageSize: 0, pageToken: '' };
      return (await client.listExperts(page)).experts.length;
    },
    undone: () => 3,
    done: () => 3,
  },
};

/** Makes a change at a registry that kills itself around a step; resolves when it is dead. */
async function changeInto(moment: string, change: Change, ground: Ground): Promise<void> {
  const program = fileURLToPath(new URL('./crash-child.js', import.meta.url));
  const child = fork(program, [nats.url, moment, change.step], {
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
  const exit = once(child, 'exit');
  const [address] = (await once(child, 'message')) as [string];
  const client = connect(ExpertRegistryServiceService, { address, unavailable: 'REGISTRY_UNAVAILABLE' });
  // Whether it was acknowledged is not known to one whose registry dies: the relay dies after, or beside, the answer.
  await change.make(client, ground).catch((error: { reason?: string }) => {
    assert.equal(error.reason, 'REGISTRY_UNAVAILABLE');
  });
  client.close();
  const [, signal] = await exit;
  assert.equal(signal, 'SIGKILL');
}

describe('a registry that is killed with -9 while it changes something', () => {
  let number = 0;
  for (const [what, change] of Object.entries(CHANGES)) {
    for (const moment of ['before', 'after'] as const) {
      test(`${what}, ${moment} the step "${change.step}": it is there or it is not, and can be made again`, async () => {
        number += 1;
        const setup = await startRegistry(nats.url);
        await setup.client.publishModel({ model: toyModel() });
        const expert = `changed-${number}`;
        const first = await published(setup.client, 1, { name: expert }, 'stable');
        const second = await published(setup.client, 2, { name: expert });
        // What is left to relay would be the first that the next one does.
        await eventsUntil(setup, ({ revision }) => Number(revision) === setup.registry.view.revision);
        await setup.stop();
        const ground = { expert, first, second };

        await changeInto(moment, change, ground);
        const next = await startRegistry(nats.url);
        const expected = moment === 'before' ? change.undone(ground) : change.done(ground);
        assert.deepEqual(await change.show(next.client, ground), expected);
        await change.make(next.client, ground).catch((error: { reason?: string }) => {
          assert.equal(error.reason, 'UNKNOWN_ALIAS', 'only what is deleted cannot be deleted again');
        });
        const repeated = (change.repeated ?? change.done)(ground);
        assert.deepEqual(await change.show(next.client, ground), repeated);
        const verified = await collect(next.client.verifyRegistry({}));
        assert.equal(verified.at(-1)!.faults, 0n);
        await next.stop();
      });
    }
  }

  test('every change has exactly one event, in the order of the revisions, whoever died', async () => {
    const registry = await startRegistry(nats.url);
    cleanup.after(registry.stop);
    await published(registry.client, 50, { name: 'last' });
    const events = await eventsUntil(
      registry,
      ({ change }) => change?.$case === 'expertPublished' && change.value.expert === 'last',
    );
    const head = registry.registry.view.revision;
    assert.deepEqual(
      events.map(({ revision }) => Number(revision)),
      Array.from({ length: head }, (_, i) => i + 1),
    );
  });
});

/** All events up to the last one. */
async function eventsUntil(
  { connection }: Pick<TestRegistry, 'connection'>,
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
