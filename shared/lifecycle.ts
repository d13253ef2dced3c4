import { SettingsError } from './config.js';
import { createLog, type Logger } from './log.js';
import { PROCESS_SETTINGS } from './process-settings.js';

/** A started service. */
export interface RunningService {
  /** Where it can be reached, `host:port`; told to the supervisor. */
  readonly address?: string;
  /** Where metrics and probes are, `host:port`. */
  readonly httpAddress?: string;
  /** Stops taking work, finishes what runs, frees everything. Called once. */
  drain(): Promise<void>;
}

/** What a service tells its supervisor over the IPC channel. */
export type ServiceMessage =
  | { readonly type: 'ready'; readonly address?: string; readonly httpAddress?: string }
  | { readonly type: 'failed'; readonly message: string };

/**
 * Runs a service's process from start to end: starts it, tells the supervisor (where there is an IPC channel) that it is
 * ready or why it failed, and drains it on SIGTERM, SIGINT or when the supervisor goes away. Exits 0 after a drain,
 * 1 when the start failed or the drain took longer than `drainMs` (default 10000). A second signal exits at once.
 */
export function runService(
  name: string,
  start: (log: Logger) => Promise<RunningService>,
  drainMs: number = PROCESS_SETTINGS.processDrainMs.default,
): void {
  const log = createLog(name);
  let running: RunningService | undefined;
  let stopping = false;
  const stop = (why: string): void => {
    if (stopping) {
      if (why !== 'supervisor gone') process.exit(1);
      return;
    }
    stopping = true;
    log.info({ why }, 'draining');
    setTimeout(() => {
      log.error({ drainMs }, 'drain took too long');
      process.exit(1);
    }, drainMs).unref();
    (running?.drain() ?? Promise.resolve()).then(
      () => process.exit(0),
      (error: unknown) => {
        log.error({ err: error }, 'drain failed');
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', () => stop('SIGTERM'));
  process.on('SIGINT', () => stop('SIGINT'));
  process.on('disconnect', () => stop('supervisor gone'));
  // It may have gone while this process was still loading.
  if (process.send && !process.connected) stop('supervisor gone');
  process.on('unhandledRejection', (error) => {
    log.fatal({ err: error }, 'unhandled rejection');
    process.exit(1);
  });
  start(log).then(
    (service) => {
      running = service;
      const { address, httpAddress } = service;
      tell({
        type: 'ready',
        ...(address === undefined ? {} : { address }),
        ...(httpAddress === undefined ? {} : { httpAddress }),
      });
      log.info({ address }, 'ready');
      if (stopping) service.drain().finally(() => process.exit(0));
    },
    (error: unknown) => {
      const message = error instanceof Error ? error.message : String(error);
      if (error instanceof SettingsError) process.stderr.write(`${name}: ${message}\n`);
      else log.fatal({ err: error }, message);
      tell({ type: 'failed', message }, () => process.exit(1));
    },
  );
}

function tell(message: ServiceMessage, then?: () => void): void {
  if (process.send && process.connected) process.send(message, undefined, undefined, () => then?.());
  else then?.();
}
