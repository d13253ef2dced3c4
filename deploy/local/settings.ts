import type { Settings, SettingsTable } from '#shared/config.js';

const port = (env: string, what: string) =>
  ({
    env,
    type: 'integer',
    default: 0,
    min: 0,
    max: 65_535,
    help: `port of ${what} on 127.0.0.1; 0 = a free one`,
  }) as const;

/** Settings of the local runner. What a service alone reads is in that service's own table. */
export const LOCAL_SETTINGS = {
  dispatcherPort: port('ZMESH_DISPATCHER_PORT', 'the dispatcher'),
  registryPort: port('ZMESH_REGISTRY_PORT', 'the expert registry'),
  inferencePort: port('ZMESH_INFERENCE_PORT', 'the inference service'),
  trainerPort: port('ZMESH_TRAINER_PORT', 'the trainer'),
  natsPort: port('ZMESH_NATS_PORT', 'nats-server'),
  models: {
    env: 'ZMESH_INFERENCE_MODELS',
    type: 'list',
    default: ['octo-nano'],
    help: 'prepared models to serve, by name; the embedded one, octo-nano, is prepared when it is missing',
  },
  replicas: {
    env: 'ZMESH_REPLICAS',
    type: 'list',
    default: [],
    help: 'how many processes of a service to start: inference=2,dispatcher=2,registry=2; default one each',
  },
} as const satisfies SettingsTable;

/** Values of LOCAL_SETTINGS. */
export type LocalSettings = Settings<typeof LOCAL_SETTINGS>;
