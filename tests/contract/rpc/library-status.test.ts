import assert from 'node:assert/strict';
import { connect as connectHttp2, type IncomingHttpHeaders } from 'node:http2';
import { type TestContext, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { ErrorInfo } from '#proto/google/rpc/error_details.js';
import { Status } from '#proto/google/rpc/status.js';
import { ExpertRegistryServiceService, GetModelRequest } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import type { Admissions } from '#shared/rpc/admission.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import { connect } from '#shared/rpc/client.js';
import { serve } from '#shared/rpc/server.js';

const MAX_BYTES = 1000;

/** A server of small messages whose GetModel counts its calls. */
async function start(t: TestContext, admissions: Admissions<typeof ExpertRegistryServiceService> = {}) {
  const names: string[] = [];
  const handlers = Object.fromEntries(
    Object.keys(ExpertRegistryServiceService).map((name) => [
      name,
      async (request: GetModelRequest) => {
        names.push(request.name);
        return { model: undefined };
      },
    ]),
  ) as unknown as Handlers<typeof ExpertRegistryServiceService>;
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  const services = [bind(ExpertRegistryServiceService, handlers, admissions)];
  const server = await serve({ host: '127.0.0.1', port: 0, services, log, maxReceiveBytes: MAX_BYTES });
  t.after(() => server.drain(1000));
  return { server, names };
}

/** One GetModel over bare HTTP/2: the frame's flag and body are the caller's; how the call ended. */
async function send(address: string, flag: 0 | 1, body: Uint8Array) {
  const session = connectHttp2(`http://${address}`);
  const head = Buffer.alloc(5);
  head.writeUInt8(flag);
  head.writeUInt32BE(body.length, 1);
  try {
    const stream = session.request({
      ':method': 'POST',
      ':path': '/zmesh.v1.ExpertRegistryService/GetModel',
      'content-type': 'application/grpc',
      'grpc-encoding': 'gzip',
      te: 'trailers',
    });
    const ended = new Promise<IncomingHttpHeaders>((resolve, reject) => {
      for (const event of ['response', 'trailers'] as const)
        stream.on(event, (headers: IncomingHttpHeaders) => {
          if ('grpc-status' in headers) resolve(headers);
        });
      stream.on('error', reject);
    });
    stream.resume();
    stream.end(Buffer.concat([head, body]));
    const headers = await ended;
    const details = headers['grpc-status-details-bin'];
    const packed =
      typeof details === 'string' ? Status.decode(Buffer.from(details, 'base64')).details[0] : undefined;
    return { code: Number(headers['grpc-status']), info: packed && ErrorInfo.decode(packed.value) };
  } finally {
    session.close();
  }
}

const requestOf = (nameLength: number): Uint8Array =>
  GetModelRequest.encode({ name: 'm'.repeat(nameLength) }).finish();

test('a message over the limit is refused as TOO_LARGE with the limit and its size', async (t) => {
  const { server, names } = await start(t);
  const { code, info } = await send(server.address, 0, requestOf(1997));
  assert.equal(code, 8);
  assert.deepEqual([info?.reason, info?.domain], ['TOO_LARGE', 'zmesh']);
  assert.deepEqual(info?.metadata, { limit: '1000', value: '2000' });
  assert.deepEqual(names, []);
});

test('our own client tells limit and size of a refused message as well', async (t) => {
  const { server } = await start(t);
  const client = connect(ExpertRegistryServiceService, {
    address: server.address,
    unavailable: 'REGISTRY_UNAVAILABLE',
  });
  t.after(() => client.close());
  await assert.rejects(client.getModel({ name: 'm'.repeat(1997) }), (error: ZmeshError) => {
    assert.ok(error instanceof ZmeshError);
    assert.deepEqual([error.reason, error.details.limit, error.details.value], ['TOO_LARGE', '1000', '2000']);
    assert.match(error.message, /1000 bytes.*2000 bytes/);
    return true;
  });
});

test('a gzip-encoded message is read', async (t) => {
  const { server, names } = await start(t);
  assert.equal((await send(server.address, 1, gzipSync(requestOf(500)))).code, 0);
  assert.deepEqual(names, ['m'.repeat(500)]);
});

test('a gzip-encoded message of a method with admission is read, though its end came while it was inflated', async (t) => {
  const asked: string[] = [];
  const { server, names } = await start(t, { getModel: ({ name }) => void asked.push(name) });
  for (let i = 0; i < 5; i += 1)
    assert.equal((await send(server.address, 1, gzipSync(requestOf(500)))).code, 0);
  assert.deepEqual([asked.length, names.length], [5, 5]);
});

test('a small gzip-encoded message of a big one is refused by its real size', async (t) => {
  const { server, names } = await start(t);
  const { code, info } = await send(server.address, 1, gzipSync(requestOf(100_000)));
  assert.equal(code, 8);
  assert.deepEqual([info?.reason, info?.metadata], ['TOO_LARGE', { limit: '1000' }]);
  assert.deepEqual(names, []);
});

test('a message that is not gzip though its flag says so is the fault of the caller', async (t) => {
  const { server, names } = await start(t);
  const { code, info } = await send(server.address, 1, Buffer.from('no gzip at all'));
  assert.equal(code, 3);
  assert.equal(info?.reason, 'INVALID_FIELD');
  assert.deepEqual(names, []);
});
