import { type DiagLogger, DiagLogLevel, diag } from '@opentelemetry/api';
import type { Logger } from '#shared/log.js';

const REPEAT_AFTER_MS = 60_000;
const REMEMBERED_MAX = 100;

/**
 * Sends OpenTelemetry's own warnings and errors (a collector that is away, say) to the log, the same text at most once a
 * minute. They never stop a service.
 */
export function logDiagnostics(log: Logger, now: () => number = Date.now): void {
  const said = new Map<string, number>();
  const once = (message: string, write: () => void): void => {
    const last = said.get(message);
    if (last !== undefined && now() - last < REPEAT_AFTER_MS) return;
    if (said.size >= REMEMBERED_MAX) said.clear();
    said.set(message, now());
    write();
  };
  const logger: DiagLogger = {
    error: (message) => once(message, () => log.error(`telemetry: ${message}`)),
    warn: (message) => once(message, () => log.warn(`telemetry: ${message}`)),
    info: (message) => log.info(`telemetry: ${message}`),
    debug: (message) => log.debug(`telemetry: ${message}`),
    verbose: (message) => log.trace(`telemetry: ${message}`),
  };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}
