import type { Cleanup } from '../support/cleanup.js';
import { amountFaults } from './amounts.js';
import { runCampaign } from './campaign.js';
import { floodOfCancelledStreams } from './flood.js';
import { createHistogram } from './histogram.js';
import { startHostileMesh } from './hostile-mesh.js';
import { memoryFaults } from './memory.js';
import { METHODS } from './methods.js';
import { provokeReasons } from './provoke.js';
import { hostileRequests } from './requests.js';
import { readSchema } from './schema.js';
import { createSlowCalls } from './slow-calls.js';

/** How much is sent. */
export interface HostileOptions {
  /** Requests, spread evenly over all RPCs. */
  readonly count: number;
  readonly seed: number;
  readonly say: (line: string) => void;
}

/** A flood of 200 streams for so many requests. */
const FLOOD_EVERY = 10_000;

/** Starts a mesh, treats it badly, and returns what was not as it must be, one line each. */
export async function runHostile(t: Cleanup, { count, seed, say }: HostileOptions): Promise<string[]> {
  say(`a mesh of ${METHODS.length} RPCs, ${count} hostile requests, seed ${seed}`);
  const mesh = await startHostileMesh(t);
  const { services, facts, canary } = mesh;
  const histogram = createHistogram();
  const slowCalls = createSlowCalls();
  const request = hostileRequests(seed, { facts, schema: readSchema() });
  const result = await runCampaign({ services, canary, request, count, histogram, slowCalls, say });
  const bursts = Math.ceil(count / FLOOD_EVERY);
  say(`${await floodOfCancelledStreams({ services, facts, seed }, bursts)} streams opened and left`);
  await canary.check();
  for (const line of [...histogram.lines(), ...slowCalls.lines()]) say(line);
  const { seen, faults } = await provokeReasons(t, mesh);
  for (const [reason, methods] of seen) say(`provoked ${reason}: ${methods.join(', ')}`);
  return [...result.faults, ...faults, ...amountFaults(histogram, count), ...memoryFaults(result, say)];
}
