import { trace } from '@opentelemetry/api';
import pino from 'pino';

/** What services log with. Prompts and answers are never passed to it. */
export type Logger = pino.Logger;

/**
 * A JSON-lines logger on stderr that names its service and carries the active span's `trace_id` and `span_id`.
 * Level: `ZMESH_LOG_LEVEL`, default `info`.
 */
export function createLog(service: string, env: NodeJS.ProcessEnv = process.env): Logger {
  return pino(
    {
      name: service,
      level: env.ZMESH_LOG_LEVEL || 'info',
      mixin() {
        const context = trace.getActiveSpan()?.spanContext();
        return context ? { trace_id: context.traceId, span_id: context.spanId } : {};
      },
    },
    pino.destination({ dest: 2, sync: true }),
  );
}
