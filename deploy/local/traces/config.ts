import type { Settings, SettingsTable } from '#shared/config.js';

/** Settings of the local trace store. */
export const traceSettings = {
  port: {
    env: 'ZMESH_TRACE_SINK_PORT',
    type: 'integer',
    default: 0,
    min: 0,
    max: 65535,
    help: 'Port of the local trace sink on loopback; 0 = a free one',
  },
  slowMs: {
    env: 'ZMESH_TRACE_SLOW_MS',
    type: 'number',
    default: 1000,
    min: 0,
    max: 3_600_000,
    help: 'Traces of requests that took longer are kept even if head sampling dropped them, milliseconds',
  },
  tracesMax: {
    env: 'ZMESH_TRACE_MAX',
    type: 'integer',
    default: 2000,
    min: 1,
    max: 1_000_000,
    help: 'Traces kept; the oldest go first. Slow and failed ones have half of it for themselves',
  },
  maxBytes: {
    env: 'ZMESH_TRACE_MAX_BYTES',
    type: 'integer',
    default: 64 * 1024 * 1024,
    min: 1024 * 1024,
    max: 16 * 1024 * 1024 * 1024,
    help: 'Bytes of spans kept, as JSON, likewise',
  },
} as const satisfies SettingsTable;

/** The values of `traceSettings`. */
export type TraceSettings = Settings<typeof traceSettings>;
