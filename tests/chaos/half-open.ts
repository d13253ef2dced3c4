import { setTimeout as sleep } from 'node:timers/promises';
import { random } from '../hostile/random.js';
import type { Cleanup } from '../support/cleanup.js';
import { startTcpProxy } from '../support/tcp-proxy.js';
import type { ChaosMesh } from './chaos-mesh.js';
import { failures, startLoad } from './load.js';
import type { Question } from './questions.js';
import type { Report } from './report.js';
import { longAnswer, openStream } from './streams.js';

/** What the half-open connections need. */
export interface HalfOpenOptions {
  readonly mesh: ChaosMesh;
  readonly questions: readonly Question[];
  readonly seed: number;
  readonly report: Report;
}

const CALLERS = 8;
const STREAMS = 8;
/** Clients notice a peer that vanished within 15 s. */
const NOTICE_MS = 15_000;
const MARGIN_MS = 3000;

/** A replica behind a connection that stays and passes nothing any more: how long until its dispatcher notices, and who suffers. */
export async function halfOpen(
  t: Cleanup,
  { mesh, questions, seed, report }: HalfOpenOptions,
): Promise<void> {
  const [first, second] = mesh.processes('inference');
  const proxy = await startTcpProxy(t, first!.address);
  const { address } = await mesh.start('dispatcher', {
    ZMESH_INFERENCE_ADDRESS: `${proxy.address},${second!.address}`,
    ZMESH_NATS_URL: '',
  });
  const client = mesh.dispatcherAt(address);
  const expected: (readonly number[])[] = [];
  for (let number = 0; number < STREAMS; number += 1) expected.push(await longAnswer(client, number));

  const load = startLoad({
    client,
    questions,
    random: random(seed, 'half-open'),
    callers: CALLERS,
    timeoutMs: 40_000,
  });
  await sleep(500);
  const streams = expected.map((tokens, number) =>
    openStream(client, { number, through: address, expected: tokens }),
  );
  while (!streams.every(({ tokens }) => tokens.length > 0)) await sleep(5);
  proxy.stall();
  const stalledMs = performance.now();
  const ends = await Promise.all(
    streams.map(async ({ ended }) => ({ ...(await ended), afterMs: performance.now() - stalledMs })),
  );
  await sleep(1000);
  const noticedMs = performance.now();
  await sleep(2000);
  proxy.resume();
  await sleep(2000);
  await load.stop();

  const broken = ends.filter(({ reason }) => reason !== undefined);
  const slowestMs = Math.max(0, ...broken.map(({ afterMs }) => afterMs));
  const disturbed = load.outcomes.filter(({ endMs }) => endMs >= stalledMs);
  const failed = disturbed.filter(({ reason }) => reason !== undefined);
  const longestMs = Math.max(...disturbed.map(({ startMs, endMs }) => endMs - startMs));
  report.say(
    `half-open connection to ${first!.name}: ${broken.length} of ${ends.length} streams ended, the last after ${Math.round(slowestMs)} ms; ` +
      `the slowest of ${disturbed.length} requests took ${Math.round(longestMs)} ms; failed: ${failures(failed)}`,
  );
  for (const { fault } of ends) if (fault) report.fault(`half-open: ${fault}`);
  for (const { reason } of [...broken, ...failed])
    report.check(reason === 'ENGINE_STOPPED', `half-open: somebody got ${reason}`);
  report.check(
    broken.length > 0 && broken.length < ends.length,
    `half-open: ${broken.length} of ${ends.length} streams broke`,
  );
  report.check(
    slowestMs <= NOTICE_MS + MARGIN_MS,
    `half-open: a stream hung for ${Math.round(slowestMs)} ms`,
  );
  report.check(
    longestMs <= NOTICE_MS + MARGIN_MS,
    `half-open: a request hung for ${Math.round(longestMs)} ms`,
  );
  const later = load.outcomes.filter(({ startMs }) => startMs >= noticedMs);
  const slow = later.filter(({ startMs, endMs }) => endMs - startMs > MARGIN_MS);
  report.check(
    later.length > 0 && slow.length === 0,
    `half-open: ${slow.length} of ${later.length} later requests were slow`,
  );
  for (const wrong of load.wrong) report.fault(`half-open: wrong answer: ${wrong}`);
}
