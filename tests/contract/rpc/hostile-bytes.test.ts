import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import { serve } from '#shared/rpc/server.js';
import { type RawKind, rawClient } from '../../support/raw-grpc.js';

type RegistryHandlers = Handlers<typeof ExpertRegistryServiceService>;
const INVALID_ARGUMENT = 3;
const RESOURCE_EXHAUSTED = 8;

/** A registry whose GetModel refuses with a given message; the other methods count their calls. */
async function start(t: TestContext, message = 'refused') {
  const called: string[] = [];
  const handlers = Object.fromEntries(
    Object.keys(ExpertRegistryServiceService).map((name) => [name, async () => called.push(name)]),
  ) as unknown as RegistryHandlers;
  const refuse = async () => {
    throw new ZmeshError('INVALID_FIELD', message, {
      field: 'name',
      value: message,
      names: { model: message },
    });
  };
  const restoreRegistry: RegistryHandlers['restoreRegistry'] = async (requests) => {
    for await (const { record } of requests) called.push(String(record));
    return { created: 0n, kept: 0n };
  };
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  const services = [bind(ExpertRegistryServiceService, { ...handlers, getModel: refuse, restoreRegistry })];
  const server = await serve({ host: '127.0.0.1', port: 0, services, log });
  const client = rawClient(server.address);
  t.after(async () => {
    client.close();
    await server.drain(1000);
  });
  const send = (name: string, kind: RawKind, ...messages: string[]) =>
    client.call({
      path: `/zmesh.v1.ExpertRegistryService/${name}`,
      kind,
      messages: messages.map((hex) => Buffer.from(hex, 'hex')),
      deadlineMs: 5000,
    });
  return { send, called };
}

const NO_MESSAGES = {
  'a length past the end': '0a7f61',
  'a string that is no UTF-8': '0a02c0af',
  'a surrogate as UTF-8': '0a03eda080',
  'a tag of zero': '0a016100ff',
  'an end of a group that did not begin': '0a01610cff',
  'groups in groups': '7b'.repeat(50_000),
  'a varint without end': 'ff'.repeat(20),
} as const;

for (const [what, hex] of Object.entries(NO_MESSAGES)) {
  test(`${what} is refused with a reason, whatever the kind of the method, and no handler hears of it`, async (t) => {
    const { send, called } = await start(t);
    const answers = await Promise.all([
      send('GetExpert', 'unary', hex),
      send('WatchExperts', 'serverStream', hex),
      send('RestoreRegistry', 'clientStream', hex),
    ]);
    for (const { code, info, message } of answers) {
      assert.equal(code, INVALID_ARGUMENT);
      assert.equal(info?.domain, 'zmesh');
      assert.equal(info?.reason, 'INVALID_FIELD');
      assert.match(message, /^the request is no message of this method: /);
    }
    assert.deepEqual(called, []);
  });
}

test('unknown fields, also groups, and a field of another wire type are read over, as protobuf says', async (t) => {
  const { send, called } = await start(t);
  await send('GetExpert', 'unary', '0a0161', '7b7c');
  await send('GetExpert', 'unary', '0a01617b087f7c');
  await send('GetExpert', 'unary', '0801');
  assert.equal(called.length, 3);
});

test('an error stays one line of bounded length, whatever names its message repeats', async (t) => {
  for (const message of [
    'x'.repeat(6_000_000),
    'a\0b\r\nc\u2028d',
    `${'y'.repeat(999)}\u{1f9a0}`,
    'half \ud83e',
  ]) {
    const { send } = await start(t, message);
    const answer = await send('GetModel', 'unary', '0a0161');
    assert.equal(answer.code, INVALID_ARGUMENT, answer.message);
    assert.ok(answer.message.length <= 1001 && answer.message.startsWith(message.slice(0, 1)));
    assert.doesNotMatch(answer.message, /[\0\r\n\u2028]/);
    assert.ok(Object.values(answer.info!.metadata).every((value) => value.length <= 257));
  }
});

test('a message above the limit is refused by gRPC itself', async (t) => {
  const { send } = await start(t);
  const answer = await send('GetExpert', 'unary', '00'.repeat(64 * 1024 * 1024 + 1));
  assert.equal(answer.code, RESOURCE_EXHAUSTED);
});
