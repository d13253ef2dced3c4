import type { InferenceServiceService, PassSummary } from '#proto/zmesh/v1/inference.js';
import { ZmeshError } from '../errors.js';
import type { RpcClient } from '../rpc/client.js';

/** What is asked of inference. */
export type Inference = Pick<
  RpcClient<typeof InferenceServiceService>,
  'score' | 'generateTokens' | 'encodeTokens' | 'computeGradient'
>;

/** The summary that ends every stream of inference. Throws INTERNAL where a stream ended without one. */
export function requireSummary(summary: PassSummary | undefined): PassSummary {
  if (summary) return summary;
  throw new ZmeshError('INTERNAL', 'inference ended its answer without a summary');
}
