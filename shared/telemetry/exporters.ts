import { OTLPMetricExporter as GrpcMetrics } from '@opentelemetry/exporter-metrics-otlp-grpc';
import { OTLPMetricExporter as JsonMetrics } from '@opentelemetry/exporter-metrics-otlp-http';
import { OTLPMetricExporter as ProtobufMetrics } from '@opentelemetry/exporter-metrics-otlp-proto';
import { OTLPTraceExporter as GrpcTraces } from '@opentelemetry/exporter-trace-otlp-grpc';
import { OTLPTraceExporter as JsonTraces } from '@opentelemetry/exporter-trace-otlp-http';
import { OTLPTraceExporter as ProtobufTraces } from '@opentelemetry/exporter-trace-otlp-proto';
import { ConsoleMetricExporter, type PushMetricExporter } from '@opentelemetry/sdk-metrics';
import { ConsoleSpanExporter, type SpanExporter } from '@opentelemetry/sdk-trace-node';
import type { ExporterName, OtlpProtocol } from './environment.js';

const TRACES: Readonly<Record<OtlpProtocol, () => SpanExporter>> = {
  grpc: () => new GrpcTraces(),
  'http/protobuf': () => new ProtobufTraces(),
  'http/json': () => new JsonTraces(),
};

const METRICS: Readonly<Record<OtlpProtocol, () => PushMetricExporter>> = {
  grpc: () => new GrpcMetrics(),
  'http/protobuf': () => new ProtobufMetrics(),
  'http/json': () => new JsonMetrics(),
};

/** An exporter of spans; endpoint, headers, compression and time limits come from the standard OTLP variables. */
export function spanExporter(name: ExporterName, protocol: OtlpProtocol): SpanExporter {
  return name === 'console' ? new ConsoleSpanExporter() : TRACES[protocol]();
}

/** An exporter of metrics, likewise. */
export function metricExporter(name: ExporterName, protocol: OtlpProtocol): PushMetricExporter {
  return name === 'console' ? new ConsoleMetricExporter() : METRICS[protocol]();
}
