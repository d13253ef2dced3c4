import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { BLOBS_BUCKET, openJetStreamStore } from '#services/expert-registry/store-jetstream.js';
import { connectEvents } from '#shared/events/connection.js';
import { sha256Hex } from '#shared/ids.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { createFixtureLog } from './log.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);
const connection = await connectEvents({ url: nats.url, name: 'blobs', log: createFixtureLog() });
cleanup.after(connection.close);
const store = await openJetStreamStore(connection, 1);

/** Bytes that differ everywhere. */
function blob(bytes: number, seed: number): Uint8Array {
  return Uint8Array.from({ length: bytes }, (_, i) => Math.imul(i + seed, 2654435761) >>> 24);
}

async function chunksOf(): Promise<number[]> {
  const { state } = await connection.jsm.streams.info(`OBJ_${BLOBS_BUCKET}`, {
    subjects_filter: `$O.${BLOBS_BUCKET}.C.>`,
  });
  return Object.values(state.subjects ?? {});
}

describe('blobs', () => {
  test('of several chunks come back as they were, and storing one twice stores it once', async () => {
    const bytes = blob(3_000_001, 1);
    const hash = sha256Hex(bytes);
    await store.putBlob(hash, bytes);
    await store.putBlob(hash, bytes);
    assert.deepEqual(await chunksOf(), [6]);
    assert.equal(sha256Hex(await store.getBlob(hash)), hash);
  });

  test('that are not there, or cut short in the middle, are CORRUPT', async () => {
    await assert.rejects(store.getBlob('0'.repeat(64)), {
      reason: 'CORRUPT',
      message: `blob ${'0'.repeat(64)} is not in the store`,
    });
    const bytes = blob(2_000_000, 2);
    const hash = sha256Hex(bytes);
    await store.putBlob(hash, bytes);
    const { state } = await connection.jsm.streams.info(`OBJ_${BLOBS_BUCKET}`);
    await connection.jsm.streams.deleteMessage(`OBJ_${BLOBS_BUCKET}`, state.last_seq - 3);
    await assert.rejects(store.getBlob(hash), { reason: 'CORRUPT' });
    await store.putBlob(hash, bytes);
    assert.equal(sha256Hex(await store.getBlob(hash)), hash);
  });

  test('stored by two writers at once are whole', async () => {
    const bytes = blob(1_500_000, 3);
    const hash = sha256Hex(bytes);
    await Promise.all([store.putBlob(hash, bytes), store.putBlob(hash, bytes)]);
    assert.equal(sha256Hex(await store.getBlob(hash)), hash);
  });

  test('can be read without end: reading leaves no consumer on the server', async () => {
    const bytes = blob(100, 4);
    const hash = sha256Hex(bytes);
    await store.putBlob(hash, bytes);
    for (let i = 0; i < 50; i += 1) await Promise.all(Array.from({ length: 30 }, () => store.getBlob(hash)));
    const { state } = await connection.jsm.streams.info(`OBJ_${BLOBS_BUCKET}`);
    assert.equal(state.consumer_count, 0);
  });
});
