import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { WatchExpertsResponse } from '#proto/zmesh/v1/expert_registry.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { published, startRegistry, toyModel } from './fixture.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);
const { client, stop } = await startRegistry(nats.url);
cleanup.after(stop);
await client.publishModel({ model: toyModel() });
await client.publishModel({ model: toyModel({ name: 'elsewhere' }) });

/** Watches in the background; `until` waits for a message. */
function watching(request: { model: string; afterRevision: bigint }) {
  const stopping = new AbortController();
  const messages: WatchExpertsResponse[] = [];
  let wake = (): void => {};
  const ended = (async () => {
    for await (const message of client.watchExperts(request, { signal: stopping.signal })) {
      messages.push(message);
      wake();
    }
  })().catch((error: unknown) => error);
  return {
    messages,
    ended,
    stop: () => stopping.abort(),
    async until(found: (message: WatchExpertsResponse) => boolean): Promise<WatchExpertsResponse[]> {
      while (!messages.some(found)) await new Promise<void>((resolve) => (wake = resolve));
      return messages;
    },
  };
}

/** What happened, in short. */
function short({ event, current }: WatchExpertsResponse): string {
  const { change } = event ?? {};
  switch (change?.$case) {
    case 'modelPublished':
      return `model ${change.value.model}`;
    case 'expertPublished':
      return `${change.value.expert} ${change.value.version.slice(0, 6)}${change.value.retired ? ' retired' : ''}`;
    case 'aliasMoved':
      return `${change.value.alias} → ${change.value.version.slice(0, 6) || 'nothing'}`;
    case 'expertRetired':
      return `retired ${change.value.version.slice(0, 6)}`;
    case undefined:
      return current ? 'current' : 'not current';
  }
}

const isMark = (message: WatchExpertsResponse): boolean => message.event === undefined && message.current;

describe('watching', () => {
  test('the present state comes first, its end is marked, then every change as it comes', async () => {
    const one = await published(client, 1, { name: 'w' }, 'stable');
    const two = await published(client, 2, { name: 'w' });
    await client.setAlias({ model: 'toy', expert: 'w', alias: 'old', version: two, expectedVersion: '' });
    await client.deleteAlias({ model: 'toy', expert: 'w', alias: 'old', expectedVersion: undefined });
    await client.retireExpert({ name: `toy/w@${two}` });
    const watch = watching({ model: 'toy', afterRevision: 0n });
    await watch.until(isMark);
    assert.deepEqual(watch.messages.map(short), [
      'model toy',
      `w ${one.slice(0, 6)}`,
      `stable → ${one.slice(0, 6)}`,
      `w ${two.slice(0, 6)} retired`,
      'current',
    ]);
    assert.deepEqual(
      watch.messages.map((message) => message.current),
      [false, false, false, false, true],
    );

    const three = await published(client, 3, { name: 'w' }, 'stable');
    await published(client, 3, { model: 'elsewhere' });
    await client.deleteAlias({ model: 'toy', expert: 'w', alias: 'stable', expectedVersion: three });
    await client.retireExpert({ name: `toy/w@${three}` });
    await watch.until((message) => message.event?.change?.$case === 'expertRetired');
    assert.deepEqual(watch.messages.slice(5).map(short), [
      `w ${three.slice(0, 6)}`,
      `stable → ${three.slice(0, 6)}`,
      'stable → nothing',
      `retired ${three.slice(0, 6)}`,
    ]);
    assert.ok(watch.messages.slice(5).every((message) => message.current));
    watch.stop();
    const error = await watch.ended;
    assert.ok(error instanceof Error);
  });

  test('a watcher that resumes gets exactly what it missed', async () => {
    const first = watching({ model: '', afterRevision: 0n });
    const mark = (await first.until(isMark)).at(-1)!;
    first.stop();
    await first.ended;
    const version = await published(client, 4, { name: 'resumed' }, 'a');
    await client.setAlias({ model: 'toy', expert: 'resumed', alias: 'b', version, expectedVersion: '' });
    const second = watching({ model: '', afterRevision: mark.revision });
    await second.until(isMark);
    const v = version.slice(0, 6);
    assert.deepEqual(second.messages.map(short), [`resumed ${v}`, `a → ${v}`, `b → ${v}`, 'current']);
    const revisions = second.messages.map((message) => message.revision);
    assert.deepEqual(revisions, [
      mark.revision + 1n,
      mark.revision + 2n,
      mark.revision + 3n,
      mark.revision + 3n,
    ]);
    second.stop();
    await second.ended;
  });

  test('resuming behind the last revision gives the mark alone', async () => {
    const first = watching({ model: '', afterRevision: 0n });
    const { revision } = (await first.until(isMark)).at(-1)!;
    first.stop();
    const second = watching({ model: '', afterRevision: revision });
    await second.until(isMark);
    assert.deepEqual(second.messages.map(short), ['current']);
    second.stop();
    await Promise.all([first.ended, second.ended]);
  });

  test('two hundred changes under a running watch arrive once each and in order', async () => {
    const watch = watching({ model: '', afterRevision: 0n });
    await watch.until(isMark);
    const from = watch.messages.length;
    const a = await published(client, 5, { name: 'busy' });
    const b = await published(client, 6, { name: 'busy' });
    for (let i = 0; i < 100; i += 1) {
      await client.setAlias({
        model: 'toy',
        expert: 'busy',
        alias: 'x',
        version: i % 2 === 0 ? a : b,
        expectedVersion: undefined,
      });
      await client.setAlias({
        model: 'toy',
        expert: 'busy',
        alias: 'y',
        version: i % 2 === 0 ? b : a,
        expectedVersion: undefined,
      });
    }
    await client.setAlias({
      model: 'toy',
      expert: 'busy',
      alias: 'last',
      version: a,
      expectedVersion: undefined,
    });
    await watch.until(
      (message) =>
        message.event?.change?.$case === 'aliasMoved' && message.event.change.value.alias === 'last',
    );
    const revisions = watch.messages.slice(from).map((message) => Number(message.revision));
    assert.equal(revisions.length, 203);
    assert.deepEqual(
      revisions,
      Array.from({ length: 203 }, (_, i) => revisions[0]! + i),
    );
    watch.stop();
    await watch.ended;
  });

  test('a draining registry ends its watches with DRAINING', async () => {
    const other = await startRegistry(nats.url);
    const ended = (async () => {
      for await (const message of other.client.watchExperts({ model: '', afterRevision: 0n })) {
        if (isMark(message)) void other.stop();
      }
    })();
    await assert.rejects(ended, { reason: 'DRAINING', code: 'UNAVAILABLE' });
  });
});
