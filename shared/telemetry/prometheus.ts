import { diag } from '@opentelemetry/api';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import type { MetricReader } from '@opentelemetry/sdk-metrics';

/** Metrics for Prometheus to fetch. */
export interface PrometheusPage {
  /** What collects; for the meter provider. */
  readonly reader: MetricReader;
  /** Everything measured so far, in Prometheus' text format 0.0.4. */
  page(): Promise<string>;
}

/**
 * Makes a page of the metrics. Names are OpenTelemetry's with `_` for `.`, counters end in `_total`, and no unit is added
 * (`gen_ai_server_request_duration_bucket`, seconds). Exemplars are not written: the exporter has none.
 */
export function prometheusPage(): PrometheusPage {
  // It serves nothing itself: metrics share a port with the probes.
  const reader = new PrometheusExporter({ preventServerStart: true });
  const serializer = new PrometheusSerializer('', false, undefined, false, true);
  return {
    reader,
    async page() {
      const { resourceMetrics, errors } = await reader.collect();
      for (const error of errors) diag.error(`a metric could not be read: ${String(error)}`);
      return serializer.serialize(resourceMetrics);
    },
  };
}
