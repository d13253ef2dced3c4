import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ensureNatsServer } from '#deploy/local/nats-server/install.js';
import { startNatsServer } from '#deploy/local/nats-server/start.js';
import { sleep } from '#shared/deadline.js';
import { zmeshHome } from '#shared/paths.js';

const root = mkdtempSync(join(tmpdir(), 'zmesh-start-'));
let path = '';
before(async () => {
  path = (await ensureNatsServer({ home: zmeshHome(), log: () => {} })).path;
});
after(() => rmSync(root, { recursive: true, force: true }));

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function gone(pid: number): Promise<boolean> {
  for (let i = 0; i < 500 && alive(pid); i += 1) await sleep(20);
  return !alive(pid);
}

test('starts on a free port with every write synced, and stop leaves no process', async () => {
  const storeDir = join(root, 'plain');
  const server = await startNatsServer({ path, storeDir });
  assert.match(server.url, /^nats:\/\/127\.0\.0\.1:\d+$/);
  assert.match(
    readFileSync(join(storeDir, 'nats-server.conf'), 'utf8'),
    /jetstream \{[^}]*sync_interval: always/,
  );
  assert.ok(alive(server.pid));
  await server.stop();
  assert.equal(alive(server.pid), false);
  assert.equal(await server.exited, 'exit 0');
});

test('a taken port is one clear line', async (t) => {
  const holder = createServer().listen(0, '127.0.0.1');
  t.after(() => holder.close());
  await once(holder, 'listening');
  const address = holder.address();
  assert.ok(address && typeof address === 'object');
  await assert.rejects(startNatsServer({ path, storeDir: join(root, 'taken'), port: address.port }), {
    message: `nats-server: port ${address.port} on 127.0.0.1 is taken`,
  });
});

test('a binary that cannot start says so', async () => {
  await assert.rejects(
    startNatsServer({ path: join(root, 'missing'), storeDir: join(root, 'none') }),
    /nats-server did not start: .*ENOENT/,
  );
});

test('the server dies when its starter is killed with -9', async () => {
  const starter = fork(fileURLToPath(new URL('./starter.js', import.meta.url)), [path, join(root, 'orphan')]);
  const [pid] = (await once(starter, 'message')) as [number];
  assert.ok(alive(pid));
  starter.kill('SIGKILL');
  await once(starter, 'exit');
  assert.ok(await gone(pid), `nats-server ${pid} outlived its starter`);
});

test('a killed server is noticed', async () => {
  const server = await startNatsServer({ path, storeDir: join(root, 'killed') });
  process.kill(server.pid, 'SIGKILL');
  assert.equal(await server.exited, 'exit SIGKILL');
  await server.stop();
});
