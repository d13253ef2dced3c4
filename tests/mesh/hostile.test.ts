import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { REASONS } from '#shared/errors.js';
import { amountFaults } from '../hostile/amounts.js';
import { runCampaign } from '../hostile/campaign.js';
import { floodOfCancelledStreams } from '../hostile/flood.js';
import { createHistogram } from '../hostile/histogram.js';
import { startHostileMesh } from '../hostile/hostile-mesh.js';
import { memoryFaults } from '../hostile/memory.js';
import { provokeReasons } from '../hostile/provoke.js';
import { hostileRequests, requestsDigest } from '../hostile/requests.js';
import { readSchema } from '../hostile/schema.js';
import { createSlowCalls } from '../hostile/slow-calls.js';
import { lastFirst } from '../support/cleanup.js';

/** `npm run hostile` sends twelve times as many. */
const COUNT = 10_000;
const SEED = 20261124;

const cleanup = lastFirst({ after });
const mesh = await startHostileMesh(cleanup);
const { services, facts, canary } = mesh;
const schema = readSchema();

describe('a mesh under hostile requests', { concurrency: false }, () => {
  it('is sent the same by the same seed, and something else by another', () => {
    const digest = (seed: number): string => {
      const request = hostileRequests(seed, { facts, schema });
      const sum = requestsDigest();
      for (let i = 0; i < 500; i += 1) sum.add(request(i));
      return sum.hex();
    };
    assert.equal(digest(1), digest(1));
    assert.notEqual(digest(1), digest(2));
  });

  it('answers each with what was asked for or a reason, stays up, and keeps its memory and its good answers', async (t) => {
    const histogram = createHistogram();
    const slowCalls = createSlowCalls();
    const say = (line: string): void => t.diagnostic(line);
    const request = hostileRequests(SEED, { facts, schema });
    const result = await runCampaign({ services, canary, request, count: COUNT, histogram, slowCalls, say });
    for (const line of [...histogram.lines(), ...slowCalls.lines()]) say(line);
    assert.deepEqual(result.faults.slice(0, 20), []);
    assert.deepEqual(memoryFaults(result, say), []);
    assert.deepEqual(amountFaults(histogram, COUNT), []);
  });

  it('answers as before after a flood of streams that were opened and left', async () => {
    await floodOfCancelledStreams({ services, facts, seed: SEED }, 2);
    await canary.check();
  });

  it('gives every reason of the catalogue where it is due, and INTERNAL never', async () => {
    const { seen, faults } = await provokeReasons(cleanup, mesh);
    assert.deepEqual(faults, []);
    assert.equal(seen.size, Object.keys(REASONS).length - 1);
  });
});
