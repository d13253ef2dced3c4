import { randomUUID } from 'node:crypto';
import { context, diag, metrics, propagation, trace } from '@opentelemetry/api';
import {
  defaultResource,
  detectResources,
  envDetector,
  resourceFromAttributes,
} from '@opentelemetry/resources';
import { MeterProvider, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import {
  AlwaysOffSampler,
  BatchSpanProcessor,
  NodeTracerProvider,
  ParentBasedSampler,
  type SpanProcessor,
} from '@opentelemetry/sdk-trace-node';
import { createLog, type Logger } from '#shared/log.js';
import { logDiagnostics } from './diagnostics.js';
import { telemetryEnvironment } from './environment.js';
import { metricExporter, spanExporter } from './exporters.js';
import { headSampler } from './head-sampler.js';
import { observeProcess } from './process-metrics.js';
import { prometheusPage } from './prometheus.js';
import { respectQuiet } from './quiet.js';
import { recordEverything } from './sampler.js';
import { sinkProcessor } from './sink-processor.js';

/** Telemetry that runs. */
export interface Telemetry {
  /** The metrics in Prometheus' text format; undefined where `OTEL_SDK_DISABLED` turned them off. */
  readonly page: (() => Promise<string>) | undefined;
  /** Sends what waits (2 s at most; a collector that is away costs no more) and stops. Never throws. Call it last in a drain. */
  shutdown(): Promise<void>;
}

/** What is not in the standard variables. */
export interface TelemetryOptions {
  /** URL of the local trace sink. Default `ZMESH_TRACE_SINK`, which the local runner sets for its services; else none. */
  readonly traceSink?: string;
  /** Where OpenTelemetry's own warnings go. Default: the service's log. */
  readonly log?: Logger;
  /** Default `process.env`. Endpoints and headers of OTLP are always read from there. */
  readonly env?: NodeJS.ProcessEnv;
}

const SHUTDOWN_MS = 2000;
/** Where nothing is exported: trace ids for receipts and logs, nothing recorded, a caller's sampled flag passed on. */
const FOLLOW_THE_CALLER = new ParentBasedSampler({ root: new AlwaysOffSampler() });

/**
 * Starts traces and metrics for a process: the first call of each main. W3C trace context and AsyncLocalStorage contexts are
 * on from then on, whatever is exported. The standard variables (see README.md beside this file) choose sampling and
 * export; with a local trace sink every span also goes there, sampled or not. `OTEL_SERVICE_NAME` overrides `service`.
 */
export function startTelemetry(service: string, options: TelemetryOptions = {}): Telemetry {
  const env = options.env ?? process.env;
  logDiagnostics(options.log ?? createLog(service, env));
  const settings = telemetryEnvironment(env);
  const sink = options.traceSink ?? env.ZMESH_TRACE_SINK;
  const resource = defaultResource()
    .merge(
      resourceFromAttributes({
        'service.name': service,
        'service.namespace': 'zmesh',
        'service.instance.id': randomUUID(),
        'process.pid': process.pid,
      }),
    )
    .merge(detectResources({ detectors: [envDetector] }));

  const spanProcessors: SpanProcessor[] = settings.traces.map(
    (name) => new BatchSpanProcessor(spanExporter(name, settings.tracesProtocol)),
  );
  if (sink) spanProcessors.push(sinkProcessor({ url: sink }));
  const silent = settings.disabled || spanProcessors.length === 0;
  const head = silent ? FOLLOW_THE_CALLER : headSampler(env);
  const tracing = new NodeTracerProvider({
    resource,
    spanProcessors: silent ? [] : spanProcessors,
    sampler: respectQuiet(sink && !silent ? recordEverything(head) : head),
  });
  tracing.register();

  const prometheus = settings.disabled ? undefined : prometheusPage();
  const pushing = (settings.disabled ? [] : settings.metrics).map(
    (name) =>
      new PeriodicExportingMetricReader({
        exporter: metricExporter(name, settings.metricsProtocol),
        exportIntervalMillis: settings.metricsIntervalMs,
        exportTimeoutMillis: Math.min(settings.metricsIntervalMs, 30_000),
      }),
  );
  const readers = prometheus ? [prometheus.reader, ...pushing] : [];
  const measuring = new MeterProvider({ resource, readers });
  metrics.setGlobalMeterProvider(measuring);
  const stopObserving = settings.disabled ? undefined : observeProcess();

  return {
    page: prometheus?.page,
    async shutdown() {
      await withinLimit(Promise.allSettled([tracing.shutdown(), measuring.shutdown()]));
      stopObserving?.();
      trace.disable();
      metrics.disable();
      context.disable();
      propagation.disable();
      diag.disable();
    },
  };
}

async function withinLimit(work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, SHUTDOWN_MS);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}
