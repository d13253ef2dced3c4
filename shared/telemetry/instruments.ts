import { type Attributes, type Counter, type Histogram, type Meter, metrics } from '@opentelemetry/api';

/** What an instrument measures. */
export interface Measure {
  /** OpenTelemetry's name, with dots; Prometheus sees `_` in their place, and `_total` after a counter. */
  readonly name: string;
  /** UCUM: `s`, `By`, `1`, or a noun in braces. */
  readonly unit: string;
  readonly description: string;
}

/** One number of an observed instrument. */
export interface Observation {
  readonly value: number;
  readonly attributes?: Attributes;
}

/** Counts up. */
export function counter(measure: Measure): { add(value: number, attributes?: Attributes): void } {
  const current = perMeter((meter): Counter => meter.createCounter(measure.name, measure));
  return { add: (value, attributes) => current().add(value, attributes) };
}

/** Counts values in buckets; `buckets` are their upper bounds, rising. */
export function histogram(measure: Measure & { readonly buckets: readonly number[] }): {
  record(value: number, attributes?: Attributes): void;
} {
  const advice = { explicitBucketBoundaries: [...measure.buckets] };
  const current = perMeter((meter): Histogram => meter.createHistogram(measure.name, { ...measure, advice }));
  return { record: (value, attributes) => current().record(value, attributes) };
}

/** Reads a level whenever metrics are collected. Call it after telemetry has started, and the result to stop. */
export function observeLevel(measure: Measure, read: () => readonly Observation[]): () => void {
  return observe(meter().createObservableGauge(measure.name, measure), read);
}

/** Reads a sum that only grows whenever metrics are collected. Call it after telemetry has started, and the result to stop. */
export function observeSum(measure: Measure, read: () => readonly Observation[]): () => void {
  return observe(meter().createObservableCounter(measure.name, measure), read);
}

function observe(
  instrument: ReturnType<Meter['createObservableGauge']>,
  read: () => readonly Observation[],
): () => void {
  const callback: Parameters<typeof instrument.addCallback>[0] = (result) => {
    for (const { value, attributes } of read()) result.observe(value, attributes);
  };
  instrument.addCallback(callback);
  return () => instrument.removeCallback(callback);
}

const meter = (): Meter => metrics.getMeter('zmesh');

// The API has no proxy for meters: an instrument made before telemetry starts would stay silent for ever.
function perMeter<I>(create: (meter: Meter) => I): () => I {
  let made: { readonly meter: Meter; readonly instrument: I } | undefined;
  return () => {
    const current = meter();
    if (made?.meter !== current) made = { meter: current, instrument: create(current) };
    return made.instrument;
  };
}
