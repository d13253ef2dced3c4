import assert from 'node:assert/strict';
import { test } from 'node:test';
import { JobState } from '#proto/zmesh/v1/adaptation.js';
import type { JobEvents } from '#services/trainer/jobs/events-jetstream.js';
import type { JobView } from '#services/trainer/jobs/view.js';
import { watchJob } from '#services/trainer/jobs/watch.js';

const KEY = { kind: 'run', id: 'a1' } as const;

/** A job that failed with its second event and, resumed, succeeded with its fourth. */
const EVENTS = ['step 1', 'failed', 'step 2', 'succeeded'];

/** Watches a job with the first `kept` events; `later` is called once they were all read. */
async function watched(kept: number, later?: (tell: (count: number) => void) => void): Promise<string[]> {
  let state = later ? JobState.RUNNING : JobState.SUCCEEDED;
  const subscribers: (() => void)[] = [];
  let onEvent: (event: Uint8Array) => void = () => {};
  const events = {
    follow: (_key, options) => {
      onEvent = options.onEvent;
      for (let place = 0; place < kept; place += 1) onEvent(Uint8Array.of(place));
      options.onCurrent();
      return new Promise<void>((resolve) =>
        options.signal.addEventListener('abort', () => resolve(), { once: true }),
      );
    },
  } satisfies Pick<JobEvents, 'follow'> as unknown as JobEvents;
  const view = {
    get: () => ({ record: { state } }),
    subscribe: (call: () => void) => {
      subscribers.push(call);
      return () => {};
    },
  } as unknown as JobView;
  const told: string[] = [];
  for await (const event of watchJob<string>({ events, view }, KEY, {
    after: 0n,
    decode: ([place = 0]) => ({
      event: EVENTS[place]!,
      sequence: BigInt(place + 1),
      last: place % 2 === 1,
    }),
    ofRecord: () => ({ event: 'of the record', sequence: 9n, last: true }),
    signal: new AbortController().signal,
  })) {
    told.push(event);
    if (later && told.length === kept)
      later((count) => {
        for (let place = kept; place < kept + count; place += 1) onEvent(Uint8Array.of(place));
        state = JobState.SUCCEEDED;
        for (const call of subscribers) call();
      });
  }
  return told;
}

test('the events of a job that failed, was resumed and succeeded are told to their last', async () => {
  assert.deepEqual(await watched(4), EVENTS);
});

test('a resumed job is watched past the end that it had before', async () => {
  assert.deepEqual(await watched(2, (tell) => setImmediate(() => tell(2))), EVENTS);
});

test('a job whose last event was never published ends with its record', async () => {
  assert.deepEqual(await watched(3), ['step 1', 'failed', 'step 2', 'of the record']);
});
