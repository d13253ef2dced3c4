import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type Incarnation, supervise } from '#deploy/local/supervise.js';

const QUICK = { delayMs: 1, delayMaxMs: 4, restartsMax: 3, windowMs: 60_000 };

/** Lives that end when told; `start` can be made to fail. */
function fakeProcess() {
  const lives: {
    readonly end: (how: string) => void;
    /** Addresses of the life before. */
    readonly before: readonly [address: string | undefined, http: string | undefined];
    stopped: boolean;
  }[] = [];
  const failures: string[] = [];
  return {
    lives,
    failures,
    async start(before: Incarnation | undefined): Promise<Incarnation> {
      const failure = failures.shift();
      if (failure) throw new Error(failure);
      let end = (_how: string): void => {};
      const exited = new Promise<string>((resolve) => {
        end = resolve;
      });
      const life = { end, before: [before?.address, before?.httpAddress] as const, stopped: false };
      lives.push(life);
      return {
        pid: lives.length,
        address: before?.address ?? '127.0.0.1:7',
        httpAddress: before?.httpAddress ?? '127.0.0.1:8',
        exited,
        async stop() {
          life.stopped = true;
          end('stopped');
        },
      };
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  for (const giveUp = Date.now() + 5_000; !condition(); await new Promise((go) => setTimeout(go, 1)))
    assert.ok(Date.now() < giveUp, 'waited too long');
}

describe('supervision', () => {
  it('starts a process again at the addresses it had, and says so', async () => {
    const fake = fakeProcess();
    const said: string[] = [];
    let restarts = 0;
    const supervised = await supervise({
      name: 'inference',
      start: fake.start,
      say: (line) => said.push(line),
      restarted: () => restarts++,
      policy: QUICK,
    });
    fake.lives[0]!.end('SIGKILL');
    await until(() => restarts === 1);
    assert.deepEqual(fake.lives[1]!.before, ['127.0.0.1:7', '127.0.0.1:8']);
    assert.equal(supervised.current().pid, 2);
    assert.deepEqual(said, [
      'inference ended (SIGKILL); starting it again in 1 ms',
      'inference runs again (process 2)',
    ]);
    await supervised.stop();
    assert.ok(fake.lives[1]!.stopped);
  });

  it('gives up after the allowed restarts, counting those that fail to start, with growing pauses', async () => {
    const fake = fakeProcess();
    const said: string[] = [];
    const supervised = await supervise({
      name: 'inference',
      start: fake.start,
      say: (line) => said.push(line),
      policy: QUICK,
    });
    fake.failures.push('no port', 'no port', 'no port');
    fake.lives[0]!.end('status 1');
    assert.equal(await supervised.lost, 'inference ended (no port) after 3 restarts within 60 s: given up');
    assert.deepEqual(
      said.map((line) => line.match(/in (\d) ms/)?.[1]),
      ['1', '2', '4'],
    );
    await supervised.stop();
  });

  it('does not start again what was stopped', async () => {
    const fake = fakeProcess();
    const supervised = await supervise({ name: 'x', start: fake.start, say: () => {}, policy: QUICK });
    await supervised.stop();
    await new Promise((go) => setTimeout(go, 20));
    assert.equal(fake.lives.length, 1);
  });

  it('ends the pause before a restart when it is stopped', async () => {
    const fake = fakeProcess();
    const supervised = await supervise({
      name: 'x',
      start: fake.start,
      say: () => {},
      policy: { ...QUICK, delayMs: 60_000, delayMaxMs: 60_000 },
    });
    fake.lives[0]!.end('status 1');
    await new Promise((go) => setImmediate(go));
    const start = performance.now();
    await supervised.stop();
    assert.ok(performance.now() - start < 1_000);
    assert.equal(fake.lives.length, 1);
  });

  it('rejects with the reason if the first start fails', async () => {
    const fake = fakeProcess();
    fake.failures.push('the port is taken');
    await assert.rejects(
      supervise({ name: 'x', start: fake.start, say: () => {}, policy: QUICK }),
      /^Error: the port is taken$/,
    );
  });
});
