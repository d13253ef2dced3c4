import { CALL_DURATION_BUCKETS } from './buckets.js';
import { histogram } from './instruments.js';
import { ERROR_TYPE, RPC } from './semconv.js';

const duration = histogram({
  name: 'rpc.server.call.duration',
  unit: 's',
  description: 'Served calls, streams to their end',
  buckets: CALL_DURATION_BUCKETS,
});

/** A served call, when it is over. */
export interface ServedCall {
  /** `package.Service/Method`; one that exists. */
  readonly method: string;
  /** Name of the gRPC code. */
  readonly code: string;
  readonly durationMs: number;
  /** True if the code means that the server failed, not the caller. */
  readonly failed: boolean;
}

/** Counts a served call with its time. */
export function recordServedCall({ method, code, durationMs, failed }: ServedCall): void {
  duration.record(durationMs / 1000, {
    [RPC.SYSTEM_NAME]: 'grpc',
    [RPC.METHOD]: method,
    [RPC.STATUS_CODE]: code,
    ...(failed ? { [ERROR_TYPE]: code } : {}),
  });
}
