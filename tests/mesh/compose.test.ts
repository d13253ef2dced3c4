import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { projectRoot } from '#shared/paths.js';
import { lastFirst } from '../support/cleanup.js';
import { environmentOf, readCompose } from '../support/compose.js';
import { freePorts } from '../support/free-port.js';
import { eventually, type Running, testHome } from '../support/mesh.js';

// The commands, environments and health checks of docker-compose.yml, run as they stand outside containers; only hosts and
// ports are replaced by ones of this machine.
const cleanup = lastFirst({ after });
const home = await testHome(cleanup);
const { services } = readCompose();

const ports = new Map<string, number>();
const PORTS = ['4222', '7070', '7071', '7072', '7000', '8222'];
for (const [i, port] of (await freePorts(PORTS.length)).entries()) ports.set(PORTS[i]!, port);

/** Text of the compose file or the nats configuration with this machine's hosts and ports. */
function here(text: string): string {
  let changed = text
    .replace(/\b(nats|expert-registry|inference|dispatcher):(?=\d{4}$)/g, '127.0.0.1:')
    .replace('0.0.0.0', '127.0.0.1');
  for (const [port, free] of ports)
    changed = changed.replace(new RegExp(`(^|[: ])${port}\\b`, 'm'), `$1${free}`);
  return changed;
}

function start(name: string): Running {
  const service = services[name]!;
  const [program = '', ...args] = service.command;
  const environment = Object.entries(environmentOf(service)).map(([key, value]) => [key, here(value)]);
  // Every container has a port 9464 of its own and a collector beside it; here there is none of either.
  const own = environment.map(([key = '', value = '']) => [key, key.endsWith('_HTTP_PORT') ? '0' : value]);
  return home.start(program, args, { ...Object.fromEntries(own), OTEL_TRACES_EXPORTER: 'none' });
}

async function healthy(name: string): Promise<void> {
  const [, , program = '', ...args] = services[name]!.healthcheck!.test;
  for (const giveUp = Date.now() + 30_000; ; ) {
    const { code, out, err } = await home.start(program, args.map(here)).finished;
    if (code === 0) return;
    assert.ok(Date.now() < giveUp, `${name} is not healthy: ${out} ${err}`);
  }
}

describe('docker-compose.yml outside containers', () => {
  it('starts, becomes healthy in its order, answers with a routed expert, and drains', async () => {
    const config = join(home.path, 'nats-server.conf');
    const text = readFileSync(join(projectRoot, 'deploy/nats/nats-server.conf'), 'utf8');
    const storeDir = JSON.stringify(join(home.path, 'store'));
    writeFileSync(config, text.split('\n').map(here).join('\n').replace('/data', storeDir));
    const nats = spawn(home.env.ZMESH_NATS_SERVER!, ['-c', config], { env: home.env, stdio: 'ignore' });
    cleanup.after(() => void nats.kill('SIGKILL'));
    await eventuallyAnswers(`http://127.0.0.1:${ports.get('8222')}/healthz`);

    const registry = start('expert-registry');
    await healthy('expert-registry');
    assert.equal((await start('import').finished).code, 0);
    const inference = start('inference');
    await healthy('inference');
    const first = await start('experts').finished;
    assert.equal(first.out, 'published: math, code, reasoning, classifier\n', first.err);
    assert.equal((await start('experts').finished).out, 'published: nothing, all are there\n');
    const dispatcher = start('dispatcher');
    const trainer = start('trainer');
    await healthy('dispatcher');
    await healthy('trainer');

    const answer = await home.zmesh(
      ...['generate', '--strategy', 'classifier', '--receipt', '--dispatcher', here('dispatcher:7000')],
      'Mia has 112 cards and buys 330 more. How many cards now?',
    );
    assert.equal(answer.code, 0, answer.err);
    assert.match(answer.out, /answer 442/);
    assert.match(answer.err, /^mixture +1 × octo-nano\/math@/m);

    for (const service of [dispatcher, trainer, inference, registry]) {
      service.child.kill('SIGTERM');
      assert.equal((await service.finished).code, 0);
    }
  });
});

async function eventuallyAnswers(url: string): Promise<void> {
  let answered = false;
  const ask = async (): Promise<void> => {
    while (!answered)
      answered = await fetch(url).then(
        (response) => response.ok,
        () => new Promise<false>((go) => setTimeout(() => go(false), 50)),
      );
  };
  void ask();
  await eventually(`${url} answers`, () => answered).finally(() => {
    answered = true;
  });
}
