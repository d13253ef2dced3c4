import type { DispatcherServiceService, GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import type { ZmeshError } from '#shared/errors.js';
import type { Fleet } from '#shared/fleet/fleet.js';
import type { Admissions, EarlyCall } from '#shared/rpc/admission.js';
import { recordRequest } from '#shared/telemetry/metrics.js';
import type { Gate } from './gate.js';
import type { MeasuredMethod } from './measure.js';

/** Whom admission asks. */
export interface AdmissionOptions {
  readonly gate: Pick<Gate, 'refusal'>;
  readonly inference: Pick<Fleet, 'crowded'>;
  /** The strategy of requests that name none. */
  readonly defaultStrategy: string;
}

type Asked = Pick<GenerateRequest, 'model' | 'priority' | 'strategy'>;

/**
 * Refuses at the door, before a request costs anything: while the dispatcher itself is full or drains, and while all of
 * inference has just told others like it that their queue is full. Refusals are counted like other failed requests.
 */
export function admissions({
  gate,
  inference,
  defaultStrategy,
}: AdmissionOptions): Admissions<DispatcherServiceService> {
  const admit = (method: MeasuredMethod, asked: Asked | undefined, { leftMs }: EarlyCall) => {
    const refusal =
      gate.refusal() ??
      (asked && inference.crowded({ model: asked.model, priority: asked.priority, leftMs }));
    if (refusal) count(method, asked?.strategy?.kind?.$case ?? defaultStrategy, refusal);
    return refusal;
  };
  return {
    generate: (request, call) => admit('Generate', request, call),
    complete: ({ request }, call) => admit('Complete', request, call),
    classify: (request, call) => admit('Classify', request, call),
  };
}

function count(method: MeasuredMethod, strategy: string, { code, reason }: ZmeshError): void {
  recordRequest({
    method: `zmesh.v1.DispatcherService/${method}`,
    operation: undefined,
    // What the caller wrote is no model's name before it was found.
    model: '',
    strategy,
    code,
    durationMs: 0,
    inputTokens: 0,
    outputTokens: 0,
    failure: reason,
  });
}
