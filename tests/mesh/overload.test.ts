import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import { ZmeshError } from '#shared/errors.js';
import { type ChaosMesh, type MeshProcess, startChaosMesh } from '../chaos/chaos-mesh.js';
import { lastFirst } from '../support/cleanup.js';
import { eventually } from '../support/mesh.js';
import { residentBytes } from '../support/resident-bytes.js';
import { startTcpProxy } from '../support/tcp-proxy.js';

const cleanup = lastFirst({ after });
/** Four answers at once and eight that wait: thirteen are too many. */
const LIMITS = {
  ZMESH_INFERENCE_SLOTS: '4',
  ZMESH_INFERENCE_QUEUE_MAX: '8',
  ZMESH_DISPATCHER_REQUESTS_MAX: '24',
  ZMESH_DISPATCHER_DRAIN_MS: '5000',
  ZMESH_DRAIN_MS: '20000',
};
const ROOM = 12;
const DRAIN_MS = 8000;
/** Stopping takes a little longer than draining. */
const STOP_MS = 3000;
const MIB = 2 ** 20;

const question = (maxTokens: number, n = 1): GenerateRequest =>
  GenerateRequest.fromPartial({
    prompt: { input: { $case: 'text', value: 'Tell a long story about Mia and her cards.' } },
    strategy: { kind: { $case: 'none', value: {} } },
    sampling: { temperature: 0, maxTokens, ignoreEos: true },
    n,
  });

/** Ends a process with SIGTERM; milliseconds until it is gone. */
async function drainTime({ pid }: MeshProcess): Promise<number> {
  const startMs = performance.now();
  process.kill(pid, 'SIGTERM');
  for (;;) {
    try {
      process.kill(pid, 0);
    } catch {
      return performance.now() - startMs;
    }
    await sleep(20);
  }
}

describe('a small mesh under more than it can do', { concurrency: false }, () => {
  let mesh: ChaosMesh;
  let alone: readonly number[];
  const complete = async (maxTokens: number): Promise<readonly number[] | ZmeshError> => {
    try {
      const { answers } = await mesh.dispatcher.complete(
        { request: question(maxTokens) },
        { timeoutMs: 30_000 },
      );
      return answers[0]!.tokenIds;
    } catch (error) {
      return ZmeshError.from(error);
    }
  };
  const read = async (request: GenerateRequest, { pauseMs = 0, tokens = [] as number[] } = {}) => {
    let receipt = false;
    for await (const { event } of mesh.dispatcher.generate(request, { timeoutMs: 60_000 })) {
      if (event?.$case === 'delta') tokens.push(...event.value.tokenIds);
      receipt ||= event?.$case === 'receipt';
      if (pauseMs > 0) await sleep(pauseMs);
    }
    return { tokens, receipt };
  };

  before(async () => {
    mesh = await startChaosMesh(cleanup, { replicas: 1, env: LIMITS });
    const answer = await complete(150);
    assert.ok(!(answer instanceof ZmeshError), String(answer));
    alone = answer;
    assert.equal(alone.length, 150);
  });

  it('serves as many as there is room for and tells the others when to come back', async () => {
    const startMs = performance.now();
    const refusedMs: number[] = [];
    const outcomes = await Promise.all(
      Array.from({ length: 80 }, () =>
        complete(150).then((outcome) => {
          if (outcome instanceof ZmeshError) refusedMs.push(performance.now() - startMs);
          return outcome;
        }),
      ),
    );
    const refused = outcomes.filter((outcome) => outcome instanceof ZmeshError);
    const served = outcomes.filter((outcome) => !(outcome instanceof ZmeshError));
    assert.ok(served.length >= ROOM && served.length <= 40, `${served.length} served`);
    for (const answer of served) assert.deepEqual(answer, alone, 'a crowd changes no answer');
    for (const { reason, code, details } of refused) {
      assert.deepEqual([reason, code], ['QUEUE_FULL', 'RESOURCE_EXHAUSTED']);
      assert.ok(
        details.retryAfterMs! >= 100 && details.retryAfterMs! <= 30_000,
        `${details.retryAfterMs} ms`,
      );
      assert.ok(Number(details.limit) > 0 && Number(details.value) > 0);
    }
    assert.ok(Math.min(...refusedMs) < 2000, 'refused at once, not by a deadline');
    assert.deepEqual(await complete(150), alone, 'afterwards there is room');
  });

  it('lets nobody wait for a slow reader, who misses nothing', async () => {
    const { pid } = mesh.processes('dispatcher')[0]!;
    const beganBytes = residentBytes(pid);
    const slow = read(question(150, 2), { pauseMs: 20 });
    const startMs = performance.now();
    for (let i = 0; i < 5; i += 1) assert.deepEqual(await complete(150), alone);
    const othersMs = performance.now() - startMs;
    const { tokens, receipt } = await slow;
    assert.deepEqual([tokens.length, receipt], [300, true]);
    assert.ok(othersMs < 20_000, `${othersMs} ms for five short answers`);
    assert.ok(residentBytes(pid) - beganBytes < 64 * MIB);
  });

  it('drains within its limit though a client does not move, finishes what runs, and is there again', async () => {
    const [dispatcher] = mesh.processes('dispatcher');
    const proxy = await startTcpProxy(cleanup, dispatcher!.address);
    const stalled = mesh.dispatcherAt(proxy.address).generate(question(400), { timeoutMs: 20_000 });
    await stalled[Symbol.asyncIterator]().next();
    proxy.stall();
    const patient = read(question(150));
    await sleep(200);
    const tookMs = await drainTime(dispatcher!);
    assert.ok(tookMs < DRAIN_MS + STOP_MS, `${tookMs} ms`);
    assert.deepEqual(await patient, { tokens: alone, receipt: true });
    for (let tries = 0; ; tries += 1) {
      const answer = await complete(150);
      if (!(answer instanceof ZmeshError)) {
        assert.deepEqual(answer, alone);
        break;
      }
      assert.deepEqual([answer.code, tries < 100], ['UNAVAILABLE', true], answer.message);
      await sleep(100);
    }
  });

  it('loses no token when inference drains', async () => {
    const [inference] = mesh.processes('inference');
    const begun = Array.from({ length: 3 }, (): number[] => []);
    const reading = Promise.all(begun.map((tokens) => read(question(150), { tokens })));
    await eventually('every stream has tokens', () => begun.every(({ length }) => length > 0));
    const tookMs = await drainTime(inference!);
    assert.ok(tookMs < DRAIN_MS + STOP_MS, `${tookMs} ms`);
    for (const one of await reading) assert.deepEqual(one, { tokens: alone, receipt: true });
  });
});
