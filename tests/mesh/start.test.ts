import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { after, describe, it } from 'node:test';
import { readRun } from '#deploy/local/run-file.js';
import { lastFirst } from '../support/cleanup.js';
import { eventually, type Running, testHome } from '../support/mesh.js';

const home = await testHome(lastFirst({ after }));
const noProcessIsLeft = (): Promise<void> =>
  eventually('no process is left', () => home.processes().length === 0, 25_000);
const pidOf = (name: string): number =>
  readRun(home.path)?.processes.find((one) => one.name === name)?.pid ?? 0;

// One after another: they share a home.
describe('npm start', { concurrency: false }, () => {
  let mesh: Running;

  it('prepares, asks, prints the accuracies, an answer, its receipt and its trace, and leaves with status 0', async () => {
    const { code, out, err } = await home.start('deploy/local/start.mjs', ['--exit', '--questions', '4'])
      .finished;
    assert.equal(code, 0, `${out}\n${err}`);
    assert.match(out, /^model octo-nano: prepared$/m);
    assert.match(out, /^experts: published math, code, reasoning, classifier under the alias stable$/m);
    assert.match(out, /^task +questions +none +math +code +reasoning +prompt +classifier +auto$/m);
    for (const task of [
      'arithmetic',
      'arithmetic-two-step',
      'list-program',
      'list-program-two-step',
      'ordering',
      'ordering-six',
      'compare',
      'greeting',
    ])
      assert.match(out, new RegExp(`^${task} +4( +\\d\\.\\d\\d \\[\\.?\\d+(\\.\\d+)?, [\\d.]+\\]){7}$`, 'm'));
    assert.match(out, /^classification +classifier +4 /m);
    assert.match(out, /^strategy +auto → classifier: /m);
    assert.match(out, /^mixture +1 × octo-nano\/math@[0-9a-f]{12} /m);
    assert.match(out, /zmesh -- trace [0-9a-f]{32}" draws it$/m);
    assert.match(out, /stopped, no process is left\n$/);
    await noProcessIsLeft();
    assert.equal(readRun(home.path), undefined);
  });

  it('reuses what is prepared and published, says so, and is quick', async () => {
    const start = performance.now();
    mesh = home.start('dist/services/cli/main.js', ['up']);
    await mesh.says(/the mesh is up/);
    assert.ok(
      performance.now() - start < 20_000,
      'a second start takes less than 20 s even on a busy machine',
    );
    assert.match(mesh.out(), /^model octo-nano: prepared before, reused$/m);
    assert.match(mesh.out(), /^experts: published before, reused$/m);
    assert.equal(mesh.err(), '');
  });

  it('refuses a second mesh with one line', async () => {
    const second = await home.zmesh('up');
    assert.equal(second.code, 1);
    assert.match(second.err, /^error: the mesh is already running \(process \d+\): .*\n$/);
  });

  it('starts a service that crashed again, and the mesh answers as before', async () => {
    const crashed = pidOf('inference');
    process.kill(crashed, 'SIGKILL');
    await mesh.says(/^inference runs again \(process \d+\)$/m);
    assert.match(mesh.out(), /^inference ended \(SIGKILL\); starting it again in 250 ms$/m);
    assert.notEqual(pidOf('inference'), crashed);
    const answer = await home.zmesh(
      'generate',
      '--expert',
      'math',
      'Mia has 112 cards and buys 330 more. How many cards now?',
    );
    assert.equal(answer.code, 0, answer.err);
  });

  it('drains at Ctrl-C, says so and leaves no process, with status 0', async () => {
    mesh.child.kill('SIGINT');
    // npm passes on what the terminal has sent already.
    setTimeout(() => mesh.child.kill('SIGINT'), 50);
    const { code, out } = await mesh.finished;
    assert.equal(code, 0);
    assert.match(out, /^stopped by SIGINT: draining\nstopped, no process is left\n$/m);
    await noProcessIsLeft();
  });

  it('drains once when a Ctrl-C reaches npm and all its children, with status 0', async () => {
    mesh = home.group('npm', ['start', '--', '--questions', '1']);
    await mesh.says(/Ctrl-C stops it/);
    process.kill(-mesh.child.pid!, 'SIGINT');
    const { code, out } = await mesh.finished;
    assert.equal(code, 0);
    assert.equal(out.match(/draining/g)?.length, 1);
    assert.match(out, /stopped, no process is left\n$/);
    await noProcessIsLeft();
  });

  it('leaves nothing behind when it is killed, and the next start takes over', async () => {
    mesh = home.start('dist/services/cli/main.js', ['up']);
    await mesh.says(/the mesh is up/);
    assert.ok(home.processes().length >= 6, 'runner, tether, nats-server and three services');
    mesh.child.kill('SIGKILL');
    await mesh.finished;
    await noProcessIsLeft();
    const status = await home.zmesh('status');
    assert.equal(status.code, 1);
    const next = home.start('dist/services/cli/main.js', ['up']);
    await next.says(/the mesh is up/);
    assert.match(next.out(), /an earlier run ended without cleaning up; its run file is taken over/);
    next.child.kill('SIGTERM');
    assert.equal((await next.finished).code, 0);
    await noProcessIsLeft();
  });

  it('says in one line that a port is taken', async () => {
    const holder = createServer();
    await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
    const { port } = holder.address() as { port: number };
    const { code, out, err } = await home.start('deploy/local/start.mjs', ['--port', String(port)]).finished;
    holder.close();
    assert.equal(code, 1);
    assert.match(
      err,
      new RegExp(`error: dispatcher: cannot listen on 127\\.0\\.0\\.1:${port}: the port is taken\n$`),
    );
    assert.equal(out, '');
    await noProcessIsLeft();
  });

  it('stops cleanly in the middle of a start', async () => {
    mesh = home.start('dist/services/cli/main.js', ['up']);
    await eventually('the registry starts', () => pidOf('nats-server') > 0);
    mesh.child.kill('SIGTERM');
    const { code, out } = await mesh.finished;
    assert.equal(code, 0);
    assert.match(out, /stopped, no process is left\n$/);
    await noProcessIsLeft();
  });
});
