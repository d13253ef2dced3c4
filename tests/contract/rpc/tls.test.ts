import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createServer } from 'node:tls';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import { connect } from '#shared/rpc/client.js';
import { serve } from '#shared/rpc/server.js';

/** A key and a certificate of its own for `mesh.test`, as PEM, that nobody trusts. */
async function selfSigned(t: TestContext): Promise<{ key: string; cert: string }> {
  const folder = mkdtempSync(join(tmpdir(), 'zmesh-tls-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const line = `req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=mesh.test -addext subjectAltName=DNS:mesh.test -keyout ${key} -out ${cert}`;
  execFileSync('openssl', line.split(' '), { stdio: 'pipe' });
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') };
}

/** A registry behind what a platform puts before it: TLS ends there, plain gRPC goes on. `told` holds what callers sent. */
async function start(t: TestContext) {
  const told: (string | undefined)[] = [];
  const handlers: Partial<Handlers<typeof ExpertRegistryServiceService>> = {
    getModel: async (_request, call) => {
      told.push(call.metadata('authorization'));
      return { model: undefined };
    },
    watchExperts: async function* (_request, call) {
      told.push(call.metadata('authorization'));
      yield { revision: 1n, event: undefined, current: true };
    },
  };
  const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
  const services = [bind(ExpertRegistryServiceService, handlers as Handlers<ExpertRegistryServiceService>)];
  const server = await serve({ host: '127.0.0.1', port: 0, services, log });
  const pem = await selfSigned(t);
  const open = new Set<Socket>();
  const front = createServer({ ...pem, ALPNProtocols: ['h2'] }, (outer) => {
    const inner = connectTcp(server.port, '127.0.0.1');
    for (const socket of [outer, inner]) {
      open.add(socket);
      socket.on('error', () => {});
    }
    outer.pipe(inner).pipe(outer);
  });
  front.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => front.listen(0, '127.0.0.1', resolve));
  t.after(async () => {
    for (const socket of open) socket.destroy();
    await new Promise((resolve) => front.close(resolve));
    await server.drain(1000);
  });
  const address = `127.0.0.1:${(front.address() as AddressInfo).port}`;
  return { address, told, ca: pem.cert };
}

const unavailable = 'REGISTRY_UNAVAILABLE';

test('a client speaks TLS to a name that a trusted authority vouches for, and sends its metadata with every call', async (t) => {
  const { address, told, ca } = await start(t);
  const client = connect(ExpertRegistryServiceService, {
    address,
    unavailable,
    tls: { ca, serverName: 'mesh.test' },
    metadata: { authorization: 'Bearer 1' },
  });
  t.after(() => client.close());
  await client.getModel({ name: 'm' });
  for await (const message of client.watchExperts({ model: '', afterRevision: 0n }))
    assert.equal(message.revision, 1n);
  assert.deepEqual(told, ['Bearer 1', 'Bearer 1']);
});

test('a certificate that nobody vouches for, or for another name, is no peer', async (t) => {
  const { address, told, ca } = await start(t);
  for (const tls of [{}, { ca, serverName: 'other.test' }]) {
    const client = connect(ExpertRegistryServiceService, { address, unavailable, tls });
    await assert.rejects(
      client.getModel({ name: 'm' }, { timeoutMs: 5000 }),
      (error: unknown) => error instanceof ZmeshError && error.reason === unavailable,
    );
    client.close();
  }
  assert.deepEqual(told, []);
});
