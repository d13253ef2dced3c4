import type { SettingsTable } from '#shared/config.js';

const address = (env: string, what: string) =>
  ({ env, type: 'string', default: '', help: `${what}; empty = what the local mesh says` }) as const;

/** What the `zmesh` command reads, beside its options, which go before. */
export const COMMAND_VARIABLES = {
  dispatcher: address('ZMESH_DISPATCHER_ADDRESS', 'host:port of the dispatcher, several separated by commas'),
  registry: address('ZMESH_REGISTRY_ADDRESS', 'host:port of the expert registry, likewise'),
  trainer: address('ZMESH_TRAINER_ADDRESS', 'host:port of the trainer, likewise'),
  traces: address('ZMESH_TRACES_ADDRESS', 'URL of the local trace store'),
  metrics: address('ZMESH_METRICS_ADDRESS', "host:port of the services' metrics, separated by commas"),
} as const satisfies SettingsTable;

/** What names or chooses programs. */
export const TOOL_VARIABLES = {
  natsServer: {
    env: 'ZMESH_NATS_SERVER',
    type: 'string',
    default: '',
    help: 'nats-server of the local mesh; empty = found on PATH or fetched',
  },
  promtool: {
    env: 'ZMESH_PROMTOOL',
    type: 'string',
    default: '',
    help: "promtool that checks Prometheus' files; empty = found on PATH or fetched",
  },
  svdGemm: {
    env: 'ZMESH_SVD_GEMM',
    type: 'choice',
    default: '',
    choices: ['ort', 'wasm', 'js'],
    help: 'what multiplies matrices in an import; empty = the fastest that is there',
  },
} as const satisfies SettingsTable;
