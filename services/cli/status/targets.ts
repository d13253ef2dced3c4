import { readRun } from '#deploy/local/run-file.js';
import { zmeshHome } from '#shared/paths.js';
import { UsageError } from '../command.js';

/** A process whose metrics are read. */
export interface Target {
  /** Its name in the local mesh; where it is remote its address. */
  readonly name: string;
  /** `host:port` of `/metrics`. */
  readonly http: string;
}

const VARIABLE = 'ZMESH_METRICS_ADDRESS';

/**
 * Where metrics are: what was given, else `ZMESH_METRICS_ADDRESS` (comma separated), else what the local mesh says; empty
 * where none of them knows. Throws UsageError for what is no `host:port`.
 */
export function metricTargets(given: readonly string[], env: NodeJS.ProcessEnv): readonly Target[] {
  const addresses = given.length > 0 ? given : (env[VARIABLE] ?? '').split(',');
  const named = addresses
    .flatMap((text) => text.split(','))
    .map((text) => text.trim())
    .filter((text) => text !== '');
  const odd = named.find((address) => !/^[^/\s]+:\d{1,5}$/.test(address));
  if (odd !== undefined) throw new UsageError(`--metrics and ${VARIABLE} take host:port, not "${odd}"`);
  if (named.length > 0) return named.map((http) => ({ name: http, http }));
  const processes = readRun(zmeshHome(env))?.processes ?? [];
  return processes.flatMap(({ name, http }) => (http === undefined ? [] : [{ name, http }]));
}
