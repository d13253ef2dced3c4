import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { flushDenormals } from '#services/inference/runtime/denormals.js';

const HALVES = `
  const { parentPort, workerData } = require('node:worker_threads');
  parentPort.postMessage(workerData / 2);
`;

/** Smallest f64 that is no denormal; its half is one. */
const SMALLEST_NORMAL = 2 ** -1022;

async function halfInThread(): Promise<number> {
  const [half] = await once(new Worker(HALVES, { eval: true, workerData: SMALLEST_NORMAL }), 'message');
  return half as number;
}

const elsewhere = process.platform === 'linux' && process.arch === 'x64' ? false : 'x86 under Linux alone';

test('threads that begin after denormals are flushed take them for 0', { skip: elsewhere }, async () => {
  assert.equal(await halfInThread(), 2 ** -1023);
  await flushDenormals();
  assert.ok(SMALLEST_NORMAL > 0);
  assert.equal(await halfInThread(), 0);
});
