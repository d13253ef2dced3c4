import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { openSandbox } from '#shared/sandbox/sandbox.js';
import { LIMITS, sandboxTest } from './open.js';

/** Memory that no other test's sandbox gets: it stands in the command lines of this one's processes. */
const memoryBytes = LIMITS.memoryBytes + 4096 * (1 + (process.pid % 1000));

async function leftOver(): Promise<number> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name));
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')),
  );
  return lines.filter((line) => line.includes(`--data=${memoryBytes}`)).length;
}

sandboxTest('a trial that is given up at any moment ends at once and leaves no process', async () => {
  const sandbox = await openSandbox({
    languages: ['python'],
    limits: { ...LIMITS, memoryBytes },
    concurrency: 4,
  });
  const task = {
    judge: JSON.stringify({ kind: 'tests', names: ['f'], prompt: '', tests: 'f()' }),
    candidate: JSON.stringify({ program: 'import time\ndef f(): time.sleep(1000)' }),
  };
  await Promise.all(
    Array.from({ length: 24 }, async (_, i) => {
      const signal = AbortSignal.timeout(15 * i);
      await assert.rejects(sandbox.run('python', task, signal), { name: 'TimeoutError' });
    }),
  );
  for (let tries = 0; tries < 100 && (await leftOver()) > 0; tries++) await sleep(50);
  assert.equal(await leftOver(), 0);
});
