import { HealthCheckResponse_ServingStatus, HealthService } from '#proto/grpc/health/v1/health.js';
import { connect } from '#shared/rpc/client.js';
import { defineCommand, UsageError } from '../command.js';
import { EXIT } from '../exit-codes.js';
import { writeJson } from '../render/json.js';

const CALL_LIMIT_MS = 2_000;

/** `zmesh health`: what containers ask about a service. */
export const health = defineCommand({
  path: 'health',
  summary: 'ask a service for its gRPC health; fails unless it is SERVING',
  usage: '<host:port>',
  positionals: { min: 1, max: 1 },
  options: {},
  examples: ['health 127.0.0.1:7000'],
  async run({ values, positionals, io }) {
    const [address = ''] = positionals;
    if (!/:\d+$/.test(address)) throw new UsageError(`"${address}" is not host:port`);
    const client = connect(HealthService, { address, unavailable: 'INFERENCE_UNAVAILABLE' });
    let state: string;
    try {
      const answer = await client.check({ service: '' }, { signal: io.signal, timeoutMs: CALL_LIMIT_MS });
      state = nameOf(answer.status);
    } catch (error) {
      state = `no answer: ${error instanceof Error ? error.message : String(error)}`;
    } finally {
      client.close();
    }
    if (values.json) writeJson(io.out, { address, state });
    else io.out.write(`${state}\n`);
    return state === 'SERVING' ? EXIT.ok : EXIT.failure;
  },
});

function nameOf(status: HealthCheckResponse_ServingStatus): string {
  const found = Object.entries(HealthCheckResponse_ServingStatus).find(([, value]) => value === status);
  return found?.[0] ?? `status ${status}`;
}
