import { type DiagLogger, DiagLogLevel, diag } from '@opentelemetry/api';
import type { Logger } from '#shared/log.js';

const REPEAT_AFTER_MS = 60_000;
const REMEMBERED_MAX = 100;

/**
 * Sends OpenTelemetry's own warnings and errors (a collector that is away, say) to the log, the same text at most once a
 * minute. They never stop a service.
 */
export function logDiagnostics(log: Logger, now: () => number = Date.now): void {
  const lastByText = new Map<string, number>();
  const once = (said: readonly unknown[], write: (text: string) => void): void => {
    const text = `telemetry: ${said.map(String).join(' ')}`;
    const last = lastByText.get(text);
    if (last !== undefined && now() - last < REPEAT_AFTER_MS) return;
    if (lastByText.size >= REMEMBERED_MAX) lastByText.clear();
    lastByText.set(text, now());
    write(text);
  };
  const logger: DiagLogger = {
    error: (...said) => once(said, (text) => log.error(text)),
    warn: (...said) => once(said, (text) => log.warn(text)),
    info: (message) => log.info(`telemetry: ${message}`),
    debug: (message) => log.debug(`telemetry: ${message}`),
    verbose: (message) => log.trace(`telemetry: ${message}`),
  };
  diag.setLogger(logger, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}
