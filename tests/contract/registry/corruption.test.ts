import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import {
  collect,
  published,
  type RegistryClient,
  spec,
  startRegistry,
  toyModel,
  vectors,
} from './fixture.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);

/** Flips one bit of `pattern` in the files of a stream; returns how many places it was found in. */
function flip(stream: string, pattern: Uint8Array): number {
  const folder = join(nats.storeDir, 'store', 'jetstream', '$G', 'streams', stream, 'msgs');
  let found = 0;
  for (const name of readdirSync(folder).filter((file) => file.endsWith('.blk'))) {
    const bytes = readFileSync(join(folder, name));
    const at = bytes.indexOf(pattern);
    if (at < 0) continue;
    found += 1;
    bytes[at + 2] = bytes[at + 2]! ^ 1;
    writeFileSync(join(folder, name), bytes);
  }
  return found;
}

async function faultsOf(client: RegistryClient): Promise<{ record: string; fault: string }[]> {
  const messages = await collect(client.verifyRegistry({}));
  const summary = messages.at(-1)!;
  const faulty = messages.filter(({ fault }) => fault !== '').map(({ record, fault }) => ({ record, fault }));
  assert.equal(summary.faults, BigInt(faulty.length));
  return faulty;
}

describe('a byte that flips on the disk of nats-server', () => {
  test('in the vectors of one expert is found by verify, refused on reading, and healed by publishing again', async () => {
    const first = await startRegistry(nats.url);
    await first.client.publishModel({ model: toyModel() });
    const good = await published(first.client, 1);
    const bad = await published(first.client, 1234.5);
    assert.deepEqual(await faultsOf(first.client), []);
    await first.stop();
    await nats.stop();
    const pattern = Buffer.alloc(4);
    pattern.writeFloatLE(1234.5);
    assert.equal(flip('OBJ_zmesh_registry_blobs', pattern), 1);
    await nats.restart();

    const { client, stop } = await startRegistry(nats.url);
    cleanup.after(stop);
    const faulty = await faultsOf(client);
    assert.deepEqual(
      faulty.map(({ record }) => record),
      [`version.toy.math.${bad}`],
    );
    assert.match(faulty[0]!.fault, /^blob [0-9a-f]{64} (has SHA-256|holds|is not)/);
    await assert.rejects(client.getExpertVectors({ name: `toy/math@${bad}` }), {
      reason: 'CORRUPT',
      code: 'DATA_LOSS',
    });
    await client.getExpertVectors({ name: `toy/math@${good}` });

    const again = await client.publishExpert({ spec: spec(), vectors: vectors(1234.5), alias: '' });
    assert.deepEqual([again.created, again.expert!.version], [false, bad]);
    assert.deepEqual(await faultsOf(client), []);
    assert.deepEqual(
      new Uint8Array((await client.getExpertVectors({ name: `toy/math@${bad}` })).vectors),
      new Uint8Array(vectors(1234.5)),
    );
  });

  test('in a record is found by verify', async () => {
    const first = await startRegistry(nats.url);
    const version = await published(first.client, 7, { name: 'torn', description: 'a sentence to be torn' });
    await published(first.client, 8, { name: 'torn', description: 'a whole sentence' });
    await first.stop();
    await nats.stop();
    assert.equal(flip('KV_zmesh_registry', Buffer.from('a sentence to be torn')), 1);
    await nats.restart();
    const { client, stop } = await startRegistry(nats.url);
    cleanup.after(stop);
    assert.deepEqual(await faultsOf(client), [
      { record: `version.toy.torn.${version}`, fault: 'the record cannot be read' },
    ]);
  });
});
