import {
  loadSettings,
  type Settings,
  SettingsError,
  type SettingsTable,
  type SourceName,
} from '#shared/config.js';
import { listenSettings, natsReplicasSetting } from '#shared/process-settings.js';
import { checkAlias, ROUTED_ALIAS } from '#shared/svf/names.js';

/** Every setting of the trainer. */
export const SETTINGS = {
  ...listenSettings('TRAINER'),
  natsUrl: {
    env: 'ZMESH_NATS_URL',
    type: 'string',
    form: 'NATS URLs',
    default: 'nats://127.0.0.1:4222',
    help: 'NATS with JetStream, 2.11 or newer, where jobs live and inference replicas announce themselves; several separated by commas',
  },
  natsReplicas: natsReplicasSetting(
    'copies that a cluster of NATS keeps of what is made anew there; 3 in production',
  ),
  inferenceAddresses: {
    env: 'ZMESH_INFERENCE_ADDRESS',
    type: 'list',
    form: 'host:port',
    default: [],
    help: 'host:port of inference replicas that are always there, beside those that announce themselves',
  },
  registryAddresses: {
    env: 'ZMESH_REGISTRY_ADDRESS',
    type: 'list',
    form: 'host:port',
    default: ['127.0.0.1:7071'],
    help: 'host:port of the expert registries; several are used round robin',
  },
  routedAlias: {
    env: 'ZMESH_ROUTED_ALIAS',
    type: 'string',
    default: ROUTED_ALIAS,
    help: 'alias of the experts that adaptations mix, and of adaptations that name none',
  },
  jobsMax: {
    env: 'ZMESH_TRAINER_JOBS',
    type: 'integer',
    default: 2,
    min: 1,
    max: 64,
    help: 'jobs that this process works on at once; others wait in the queue',
  },
  rolloutsMax: {
    env: 'ZMESH_TRAINER_ROLLOUTS',
    type: 'integer',
    default: 128,
    min: 1,
    max: 4096,
    help: 'prompts of one job that are asked at once; enough to fill the batches of inference',
  },
  gradientSequences: {
    env: 'ZMESH_TRAINER_GRADIENT_SEQUENCES',
    type: 'integer',
    default: 64,
    min: 1,
    max: 4096,
    help: 'answers of one gradient call; a step with more is spread over several, added in a fixed order',
  },
  dataBytesMax: {
    env: 'ZMESH_TRAINER_DATA_BYTES_MAX',
    type: 'integer',
    default: 48 * 1024 * 1024,
    min: 1024,
    max: 60 * 1024 * 1024,
    help: 'most bytes of all questions of one run',
  },
  callTimeoutMs: {
    env: 'ZMESH_TRAINER_CALL_TIMEOUT_MS',
    type: 'integer',
    default: 600_000,
    min: 1000,
    max: 86_400_000,
    help: 'how long one call of inference may take; past that it is made again, twice at most',
  },
  eventHours: {
    env: 'ZMESH_TRAINER_EVENT_HOURS',
    type: 'integer',
    default: 168,
    min: 1,
    max: 87_600,
    help: 'how long events of jobs are kept',
  },
  keepDays: {
    env: 'ZMESH_TRAINER_KEEP_DAYS',
    type: 'integer',
    default: 90,
    min: 0,
    max: 36_500,
    help: 'days that runs and adaptation jobs are kept after their end, with checkpoints and rollouts; 0 = for ever',
  },
  drainMs: {
    env: 'ZMESH_TRAINER_DRAIN_MS',
    type: 'integer',
    default: 5000,
    min: 0,
    max: 600_000,
    help: 'how long running calls may take at shutdown; jobs go back to the queue at once',
  },
} as const satisfies SettingsTable;

/** The trainer's settings. */
export type TrainerSettings = Settings<typeof SETTINGS>;

/** Reads the settings. Throws SettingsError with every fault. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, sourceOf?: SourceName): TrainerSettings {
  const settings = loadSettings(SETTINGS, env, sourceOf);
  try {
    checkAlias(settings.routedAlias, SETTINGS.routedAlias.env);
  } catch (error) {
    throw new SettingsError([(error as Error).message]);
  }
  return settings;
}
