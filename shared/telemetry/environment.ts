import { diag } from '@opentelemetry/api';

/** How OTLP travels. */
export type OtlpProtocol = 'grpc' | 'http/protobuf' | 'http/json';
/** Where a signal goes. */
export type ExporterName = 'otlp' | 'console';

/** What the standard variables say that the SDK does not read by itself. */
export interface TelemetryEnvironment {
  /** `OTEL_SDK_DISABLED=true`: neither spans nor metrics are made; trace context still travels. */
  readonly disabled: boolean;
  /** `OTEL_TRACES_EXPORTER`: `otlp`, `console` or `none`, comma separated. Default: `otlp` if an endpoint is set, else none. */
  readonly traces: readonly ExporterName[];
  /** `OTEL_METRICS_EXPORTER`, likewise. */
  readonly metrics: readonly ExporterName[];
  /** `OTEL_EXPORTER_OTLP_TRACES_PROTOCOL`, else `OTEL_EXPORTER_OTLP_PROTOCOL`. Default `http/protobuf`. */
  readonly tracesProtocol: OtlpProtocol;
  /** `OTEL_EXPORTER_OTLP_METRICS_PROTOCOL`, else `OTEL_EXPORTER_OTLP_PROTOCOL`. Default `http/protobuf`. */
  readonly metricsProtocol: OtlpProtocol;
  /** `OTEL_METRIC_EXPORT_INTERVAL`, milliseconds. Default 60000. */
  readonly metricsIntervalMs: number;
}

const PROTOCOLS: readonly OtlpProtocol[] = ['grpc', 'http/protobuf', 'http/json'];
const EXPORTERS: readonly ExporterName[] = ['otlp', 'console'];

/**
 * Reads the standard OpenTelemetry variables. As the specification asks, a value that is not understood is reported as a
 * warning and the default is used. One deviation: without an endpoint nothing is exported (the specification would try
 * localhost:4318), so that a mesh without a collector stays quiet.
 */
export function telemetryEnvironment(env: NodeJS.ProcessEnv = process.env): TelemetryEnvironment {
  return {
    disabled: env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true',
    traces: exporters(env, 'TRACES'),
    metrics: exporters(env, 'METRICS'),
    tracesProtocol: protocol(env, 'TRACES'),
    metricsProtocol: protocol(env, 'METRICS'),
    metricsIntervalMs: positive(env, 'OTEL_METRIC_EXPORT_INTERVAL', 60_000),
  };
}

function exporters(env: NodeJS.ProcessEnv, signal: 'TRACES' | 'METRICS'): readonly ExporterName[] {
  const variable = `OTEL_${signal}_EXPORTER`;
  const endpoint = env[`OTEL_EXPORTER_OTLP_${signal}_ENDPOINT`] || env.OTEL_EXPORTER_OTLP_ENDPOINT;
  const fallback: readonly ExporterName[] = endpoint ? ['otlp'] : [];
  const names = (env[variable] ?? '')
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (names.length === 0) return fallback;
  if (names.includes('none')) return [];
  const known = EXPORTERS.filter((name) => names.includes(name));
  const unknown = names.filter((name) => !EXPORTERS.some((exporter) => exporter === name));
  for (const name of unknown) warn(variable, name, [...EXPORTERS, 'none']);
  return known;
}

function protocol(env: NodeJS.ProcessEnv, signal: 'TRACES' | 'METRICS'): OtlpProtocol {
  const specific = `OTEL_EXPORTER_OTLP_${signal}_PROTOCOL`;
  const variable = env[specific] ? specific : 'OTEL_EXPORTER_OTLP_PROTOCOL';
  const given = env[variable];
  if (!given) return 'http/protobuf';
  const known = PROTOCOLS.find((name) => name === given);
  if (known === undefined) warn(variable, given, PROTOCOLS);
  return known ?? 'http/protobuf';
}

function positive(env: NodeJS.ProcessEnv, variable: string, fallback: number): number {
  const given = env[variable];
  if (!given) return fallback;
  const value = Number(given);
  if (Number.isInteger(value) && value > 0) return value;
  diag.warn(`${variable}=${given} is not a whole number above 0; ${fallback} is used`);
  return fallback;
}

function warn(variable: string, given: string, choices: readonly string[]): void {
  diag.warn(`${variable}=${given} is not one of ${choices.join(', ')}; it is ignored`);
}
