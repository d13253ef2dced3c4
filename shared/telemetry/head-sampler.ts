import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace-node';

/** The samplers of `OTEL_TRACES_SAMPLER`. */
const SAMPLERS: Readonly<Record<string, (ratio: number) => Sampler>> = {
  always_on: () => new AlwaysOnSampler(),
  always_off: () => new AlwaysOffSampler(),
  traceidratio: (ratio) => new TraceIdRatioBasedSampler(ratio),
  parentbased_always_on: () => new ParentBasedSampler({ root: new AlwaysOnSampler() }),
  parentbased_always_off: () => new ParentBasedSampler({ root: new AlwaysOffSampler() }),
  parentbased_traceidratio: (ratio) => new ParentBasedSampler({ root: new TraceIdRatioBasedSampler(ratio) }),
};

/**
 * The sampler that `OTEL_TRACES_SAMPLER` and `OTEL_TRACES_SAMPLER_ARG` (a share in [0, 1], default 1) name; default
 * `parentbased_always_on`. The SDK has the same reading but only inside its provider, where it can't be wrapped; the
 * provider also warns about values that are not understood, so this does not.
 */
export function headSampler(env: NodeJS.ProcessEnv = process.env): Sampler {
  const given = env.OTEL_TRACES_SAMPLER_ARG;
  const ratio = given ? Number(given) : 1;
  const valid = ratio >= 0 && ratio <= 1 ? ratio : 1;
  const make = SAMPLERS[env.OTEL_TRACES_SAMPLER || 'parentbased_always_on'] ?? SAMPLERS.parentbased_always_on;
  return make!(valid);
}
