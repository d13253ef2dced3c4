import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connectEvents } from '#shared/events/connection.js';
import { readServerList } from '#shared/events/server-list.js';
import { createLog } from '#shared/log.js';

test('a list of NATS servers is taken apart from its credentials, which are never shown', () => {
  const list = readServerList('nats://me:p%40ss@10.0.0.1:4222,nats://10.0.0.2,tls://[::1]:5');
  assert.deepEqual(list, {
    servers: ['10.0.0.1:4222', '10.0.0.2:4222', '[::1]:5'],
    user: 'me',
    pass: 'p@ss',
    tls: true,
    shown: 'nats://***@10.0.0.1:4222,nats://10.0.0.2,tls://[::1]:5',
  });
  assert.equal(readServerList('nats://secret@host').token, 'secret');
  assert.equal(readServerList('nats://secret@host').shown, 'nats://***@host');
  assert.deepEqual(readServerList('127.0.0.1:4222').servers, ['127.0.0.1:4222']);
  for (const bad of ['http://host:4222', 'nats://', 'nats://a b'])
    assert.throws(() => readServerList(bad), TypeError, bad);
});

test('a server that cannot be reached is named without its password, also in the error’s cause', async () => {
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  for (const url of [
    'nats://me:topsecret@127.0.0.1:1',
    'nats://topsecret@127.0.0.1:1',
    'http://me:topsecret@host',
  ])
    await assert.rejects(connectEvents({ url, name: 'test', log, connectTimeoutMs: 500 }), (error: Error) => {
      const all = `${error.message} ${error.stack} ${String((error.cause as Error | undefined)?.stack)}`;
      assert.doesNotMatch(all, /topsecret/);
      return true;
    });
});
