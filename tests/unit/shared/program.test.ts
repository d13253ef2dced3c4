import assert from 'node:assert/strict';
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { after, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceMessage } from '#shared/lifecycle.js';

const ENTRY = new URL('../../support/fake-program.js', import.meta.url);
const children: ChildProcess[] = [];
after(() => {
  for (const child of children) child.kill('SIGKILL');
});

/** Runs the program; its output so far, and how it ended. */
function run(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = fork(ENTRY, args, { env: { PATH: process.env.PATH, ...env }, silent: true });
  children.push(child);
  let out = '';
  let err = '';
  child.stdout?.on('data', (data: Buffer) => {
    out += data;
  });
  child.stderr?.on('data', (data: Buffer) => {
    err += data;
  });
  const message = once(child, 'message').then(([first]) => first as ServiceMessage);
  const ended = once(child, 'close').then(([code]) => ({ code: code as number | null, out, err }));
  return { child, message, ended, err: () => err };
}

const get = async (http: string, path: string): Promise<readonly [number, string]> => {
  const response = await fetch(`http://${http}${path}`);
  return [response.status, await response.text()];
};

async function readyAt({ message }: ReturnType<typeof run>): Promise<string> {
  const ready = await message;
  assert.equal(ready.type, 'ready');
  assert.ok(ready.type === 'ready' && ready.httpAddress);
  return ready.httpAddress;
}

describe('a service as a program', () => {
  test('--help prints its settings and those of every service, and starts nothing', async () => {
    const { code, out, err } = await run(['--help'], { T_START_MS: 'nonsense' }).ended;
    assert.deepEqual([code, err], [0, '']);
    assert.match(out, /^zmesh fake: does nothing, well$/m);
    assert.match(out, /^ {2}--nats-url {2}\(T_NATS_URL\)$/m);
    assert.match(out, /^ {2}--log-level {2}\(ZMESH_LOG_LEVEL\)$/m);
  });

  test('a misspelt variable is warned of with the known one that is most alike, and the service starts', async () => {
    const started = run(['--http-port=0'], { ZMESH_DISPACHER_PORT: '7000' });
    await readyAt(started);
    const line = started
      .err()
      .split('\n')
      .find((one) => one.includes('ZMESH_DISPACHER_PORT'));
    const { level, msg } = JSON.parse(line ?? '{}') as { level: number; msg: string };
    assert.equal(level, 40);
    assert.equal(msg, 'ZMESH_DISPACHER_PORT is no setting; did you mean ZMESH_DISPATCHER_PORT?');
    started.child.kill('SIGTERM');
    await started.ended;
  });

  test('every fault of flags, environment and both tables is told at once, with status 1', async () => {
    const started = run(['--nope', '--start-ms', '-3'], {
      T_DRAIN_MS: 'soon',
      ZMESH_DRAIN_MS: '0',
      T_TOKEN: 'hush',
    });
    const told = await started.message;
    const { code, err } = await started.ended;
    assert.equal(code, 1);
    const faults = [
      '--nope: no such flag; --help lists them',
      '--start-ms="-3": outside 0 to 9999',
      'T_DRAIN_MS="soon": not a number',
      'ZMESH_DRAIN_MS="0": outside 1 to 3600000',
    ];
    assert.equal(err, `fake: bad settings:\n${faults.map((fault) => `  ${fault}\n`).join('')}`);
    assert.ok(told.type === 'failed' && told.message.includes(faults[3]!));
    assert.equal(err.includes('hush'), false);
  });

  test('it logs what it runs with, secrets and users in URLs masked', async () => {
    const started = run(['--nats-url', 'nats://me:pw@host:4222', '--token=hush', '--http-port=0']);
    await readyAt(started);
    started.child.kill('SIGTERM');
    const { code, err } = await started.ended;
    assert.equal(code, 0);
    const lines = err
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    const { settings } = lines.find(({ msg }) => msg === 'settings') as { settings: Record<string, unknown> };
    assert.deepEqual(
      [settings.natsUrl, settings.token, settings.drainMs],
      ['nats://***@host:4222', '***', 0],
    );
    assert.doesNotMatch(err, /hush|pw@/);
  });

  test('the log level is a setting like the others', async () => {
    const started = run(['--log-level', 'silent', '--http-port', '0'], { ZMESH_LOG_LEVEL: 'info' });
    await readyAt(started);
    started.child.kill('SIGTERM');
    assert.deepEqual(await started.ended, { code: 0, out: '', err: '' });
  });

  test('it is alive from the start, ready when it serves, not ready while it drains, and says so to the end', async () => {
    const started = run(['--start-ms=1500', '--drain-ms=1500'], { ZMESH_T_HTTP_PORT: '0' });
    const listening = /"http":"([^"]+)"/;
    while (!listening.test(started.err())) await sleep(10);
    const http = listening.exec(started.err())![1]!;
    assert.deepEqual(await get(http, '/healthz'), [200, 'ok\n']);
    assert.deepEqual(await get(http, '/readyz'), [503, 'not ready\n']);
    assert.equal(await readyAt(started), http);
    assert.deepEqual(await get(http, '/readyz'), [200, 'ready\n']);
    const [status, page] = await get(http, '/metrics');
    assert.equal(status, 200);
    assert.match(page, /^process_uptime \d/m);
    assert.match(page, /^target_info\{.*service_name="fake"/m);
    started.child.kill('SIGTERM');
    while (!started.err().includes('"draining"')) await sleep(10);
    assert.deepEqual(await get(http, '/readyz'), [503, 'not ready\n']);
    assert.deepEqual(await get(http, '/healthz'), [200, 'ok\n']);
    assert.equal((await started.ended).code, 0);
  });

  test('without metrics (OTEL_SDK_DISABLED) the probes are there and /metrics says why it is not', async () => {
    const started = run(['--http-port=0'], { OTEL_SDK_DISABLED: 'true' });
    const http = await readyAt(started);
    assert.deepEqual(await get(http, '/metrics'), [404, 'metrics are off (OTEL_SDK_DISABLED)\n']);
    assert.equal((await get(http, '/readyz'))[0], 200);
    started.child.kill('SIGTERM');
    await started.ended;
  });

  test('a port that is taken ends the start with one line', async () => {
    const first = run(['--http-port=0']);
    const port = (await readyAt(first)).split(':')[1]!;
    const second = run([`--http-port=${port}`]);
    const told = await second.message;
    assert.deepEqual(told, {
      type: 'failed',
      message: `cannot listen on 127.0.0.1:${port} for metrics and probes: the port is taken`,
    });
    assert.equal((await second.ended).code, 1);
    first.child.kill('SIGTERM');
    await first.ended;
  });
});
