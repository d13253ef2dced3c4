import type { SettingsTable } from './config.js';

/** What every service's process reads beside its own table. */
export const PROCESS_SETTINGS = {
  home: {
    env: 'ZMESH_HOME',
    type: 'string',
    default: '',
    help: 'folder of prepared models, state and tools; empty = .zmesh in the project',
  },
  logLevel: {
    env: 'ZMESH_LOG_LEVEL',
    type: 'choice',
    default: 'info',
    choices: ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'],
    help: 'least severe log line that is written',
  },
  processDrainMs: {
    env: 'ZMESH_DRAIN_MS',
    type: 'integer',
    default: 10_000,
    min: 1,
    max: 3_600_000,
    help: 'after so many milliseconds of draining the process ends with status 1, whatever still runs',
  },
  traceSink: {
    env: 'ZMESH_TRACE_SINK',
    type: 'string',
    form: 'http URL',
    default: '',
    help: 'URL of the local trace store; the local runner sets it for its services',
  },
  traceContent: {
    env: 'ZMESH_TRACE_CONTENT',
    type: 'boolean',
    default: false,
    help: 'whether prompts and answers are written into spans',
  },
} as const satisfies SettingsTable;

/** The settings `host`, `port` and `httpPort` of a service, read from `ZMESH_<service>_HOST`, `_PORT` and `_HTTP_PORT`. */
export const listenSettings = <S extends string>(service: S) =>
  ({
    host: {
      env: `ZMESH_${service}_HOST`,
      type: 'string',
      default: '127.0.0.1',
      help: 'address to listen on',
    },
    port: {
      env: `ZMESH_${service}_PORT`,
      type: 'integer',
      default: 0,
      min: 0,
      max: 65_535,
      help: 'port to listen on; 0 = a free one',
    },
    httpPort: {
      env: `ZMESH_${service}_HTTP_PORT`,
      type: 'integer',
      default: -1,
      min: -1,
      max: 65_535,
      help: 'port of plain HTTP with /metrics, /healthz and /readyz; 0 = a free one, -1 = none',
    },
  }) as const;

/** The setting `natsReplicas` of a service; `help` tells of what it makes. */
export const natsReplicasSetting = <H extends string>(help: H) =>
  ({ env: 'ZMESH_NATS_REPLICAS', type: 'integer', default: 1, min: 1, max: 5, help }) as const;
