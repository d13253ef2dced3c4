import { type RawClient, rawClient } from '../support/raw-grpc.js';
import type { Services } from './campaign.js';
import type { Facts } from './facts.js';
import { METHODS } from './methods.js';
import { random } from './random.js';
import { SEEDS } from './seeds.js';

/** Streams that are opened at once. */
const BURST = 200;

/** Opens streams of every streaming RPC in bursts and leaves each at once or after its first message. Returns how many. */
export async function floodOfCancelledStreams(
  { services, facts, seed }: { readonly services: Services; readonly facts: Facts; readonly seed: number },
  bursts: number,
): Promise<number> {
  const streaming = METHODS.filter(({ kind }) => kind !== 'unary');
  const clients = new Map<string, RawClient>();
  for (const { service } of streaming)
    if (!clients.has(service)) clients.set(service, rawClient(services[service].address));
  for (let burst = 0; burst < bursts; burst += 1) {
    const calls = Array.from({ length: BURST }, (_, i) => {
      const method = streaming[i % streaming.length]!;
      const from = random(seed, 'flood', burst, i);
      const given = SEEDS[method.name]!(facts, from);
      const messages = given instanceof Uint8Array ? [given] : given;
      const { path, kind, service } = method;
      return clients.get(service)!.call({ path, kind, messages, deadlineMs: 60_000, cancelAfter: i % 2 });
    });
    await Promise.all(calls);
  }
  for (const client of clients.values()) client.close();
  return BURST * bursts;
}
