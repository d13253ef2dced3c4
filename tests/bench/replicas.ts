/**
 * Two replicas against one: `npm run bench -- replicas`. The replicas are simulated: each serves a number of requests at once
 * and takes a fixed time for a token, on timers, so that the mesh is measured and not the cores. Two dispatcher processes,
 * one before a single replica and one before two, take turns.
 */
import { Sampling } from '#proto/zmesh/v1/common.js';
import { DispatcherServiceService, GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import { sleep } from '#shared/deadline.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { type FakeInference, startFakeInference } from '../support/fake-inference.js';
import { type BenchServices, startBenchServices } from './support/bench-services.js';
import { conditions } from './support/conditions.js';
import { readStream } from './support/read-stream.js';
import { median, quantile, table } from './support/statistics.js';

const ROUNDS = 5;
const TURN_MS = 4000;
/** Requests that a replica works on at once. */
const SLOTS = 8;
const TOKEN_MS = 25;
const TOKENS = 16;
/** Four times what one replica takes, twice what two take. */
const CALLERS = 4 * SLOTS;

interface Turn {
  /** Tokens that reached their callers. */
  readonly perSecond: number;
  readonly firstMs: number;
}

const services = await startBenchServices();
try {
  const registry = await services.start('expert-registry', { ZMESH_NATS_URL: services.natsUrl });
  const sides = [await side(services, registry.address, 1), await side(services, registry.address, 2)];
  const turns = sides.map((): Turn[] => []);
  for (const dispatcher of sides) await turn(dispatcher, TURN_MS / 4);
  for (let round = 0; round < ROUNDS; round++)
    for (const [i, dispatcher] of sides.entries()) turns[i]!.push(await turn(dispatcher, TURN_MS));
  report(turns);
} finally {
  await services.close();
}

/** A dispatcher before some simulated replicas. */
async function side(
  { start, onClose }: BenchServices,
  registryAddress: string,
  replicas: number,
): Promise<RpcClient<DispatcherServiceService>> {
  const addresses: string[] = [];
  for (let i = 0; i < replicas; i++) {
    const replica = await simulatedReplica();
    onClose(() => replica.stop());
    addresses.push(replica.address);
  }
  const { address } = await start('dispatcher', {
    ZMESH_REGISTRY_ADDRESS: registryAddress,
    ZMESH_INFERENCE_ADDRESS: addresses.join(','),
  });
  const client = connect(DispatcherServiceService, { address, unavailable: 'INTERNAL' });
  onClose(() => client.close());
  return client;
}

async function simulatedReplica(): Promise<FakeInference> {
  const replica = await startFakeInference();
  const { signal } = new AbortController();
  const waiting: (() => void)[] = [];
  let free = SLOTS;
  replica.answer = () => Array.from({ length: TOKENS }, () => 'word').join(' ');
  const left = new WeakMap<object, number>();
  replica.before = async (what, call) => {
    if (what === 'generate') {
      left.set(call, TOKENS);
      if (free > 0) free--;
      else await new Promise<void>((go) => waiting.push(go));
    }
    if (what !== 'token') return;
    await sleep(TOKEN_MS, signal);
    const tokens = left.get(call)! - 1;
    left.set(call, tokens);
    if (tokens > 0) return;
    const next = waiting.shift();
    if (next) next();
    else free++;
  };
  return replica;
}

/** All callers at once, each waiting for its answer before it asks again. */
async function turn(dispatcher: RpcClient<DispatcherServiceService>, forMs: number): Promise<Turn> {
  const end = performance.now() + forMs;
  const firstMs: number[] = [];
  let tokens = 0;
  const caller = async (_: unknown, number: number): Promise<void> => {
    for (let i = 0; performance.now() < end; i++) {
      const request = GenerateRequest.create({
        prompt: { input: { $case: 'text', value: `caller ${number}, question ${i}` } },
        strategy: { kind: { $case: 'none', value: {} } },
        sampling: Sampling.create({ maxTokens: TOKENS }),
      });
      const times = await readStream(dispatcher.generate(request, { timeoutMs: 60_000 }));
      tokens += times.deltasMs.filter((ms) => ms <= end).length;
      firstMs.push(times.firstTokenMs - times.startedMs);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  return { perSecond: (tokens * 1000) / forMs, firstMs: quantile(firstMs, 0.5) };
}

function report(turns: readonly (readonly Turn[])[]): void {
  const most = (1000 * SLOTS) / TOKEN_MS;
  console.log(
    `${CALLERS} callers, ${TOKENS} tokens of ${TOKEN_MS} ms, ${SLOTS} at once a replica, ${ROUNDS} rounds of ${TURN_MS / 1000} s; ${conditions()}\n`,
  );
  const line = (name: string, side: readonly Turn[], replicas: number): string[] => {
    const perSecond = median(side.map((one) => one.perSecond));
    return [
      name,
      perSecond.toFixed(1),
      `${((100 * perSecond) / (most * replicas)).toFixed(0)} %`,
      median(side.map((one) => one.firstMs)).toFixed(0),
    ];
  };
  const [one = [], two = []] = turns;
  console.log(
    table([
      ['median round', 'tokens a second', 'of what the replicas could', 'first token p50, ms'],
      line('1 replica', one, 1),
      line('2 replicas', two, 2),
    ]),
  );
  const ratios = two.map(({ perSecond }, round) => perSecond / one[round]!.perSecond);
  console.log(
    `\ntwo against one: ${median(ratios).toFixed(2)} × the tokens (rounds: ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')})`,
  );
}
