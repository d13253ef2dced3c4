import { createLog, type Logger } from '#shared/log.js';

/** A log that keeps quiet unless `ZMESH_LOG_LEVEL` says otherwise. */
export function createFixtureLog(): Logger {
  return createLog('test', { ZMESH_LOG_LEVEL: process.env.ZMESH_LOG_LEVEL ?? 'silent' });
}
