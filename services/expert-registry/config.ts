import { loadSettings, type Settings, type SettingsTable, type SourceName } from '#shared/config.js';
import { listenSettings, natsReplicasSetting } from '#shared/process-settings.js';

/** Settings of the expert registry. */
export const SETTINGS = {
  ...listenSettings('REGISTRY'),
  natsUrl: {
    env: 'ZMESH_NATS_URL',
    type: 'string',
    form: 'NATS URLs',
    default: 'nats://127.0.0.1:4222',
    help: 'NATS with JetStream, 2.11 or newer; several separated by commas',
  },
  natsReplicas: natsReplicasSetting(
    'copies that a cluster of NATS keeps of what is made anew there; 3 in production',
  ),
  maxVectorsBytes: {
    env: 'ZMESH_REGISTRY_MAX_VECTORS_BYTES',
    type: 'integer',
    default: 60 * 1024 * 1024,
    min: 1024,
    max: 60 * 1024 * 1024,
    help: 'largest safetensors file of one expert, bytes',
  },
  retiredDays: {
    env: 'ZMESH_REGISTRY_RETIRED_DAYS',
    type: 'integer',
    default: 0,
    min: 0,
    max: 36_500,
    help: 'a version that was retired so many days ago loses its vectors, unless another version uses the same; its record stays; 0 = never',
  },
  orphanHours: {
    env: 'ZMESH_REGISTRY_ORPHAN_HOURS',
    type: 'integer',
    default: 24,
    min: 0,
    max: 87_600,
    help: 'blobs older than so many hours that no record names are removed: what publishes that were never finished left; 0 = never',
  },
  gcMinutes: {
    env: 'ZMESH_REGISTRY_GC_MINUTES',
    type: 'integer',
    default: 60,
    min: 1,
    max: 10_080,
    help: 'how often that is done',
  },
  gcDryRun: {
    env: 'ZMESH_REGISTRY_GC_DRY_RUN',
    type: 'boolean',
    default: false,
    help: 'whether it only logs what it would remove',
  },
  drainMs: {
    env: 'ZMESH_REGISTRY_DRAIN_MS',
    type: 'integer',
    default: 3000,
    min: 0,
    max: 600_000,
    help: 'how long running calls may take at shutdown, milliseconds',
  },
} as const satisfies SettingsTable;

/** The registry's settings. */
export type RegistrySettings = Settings<typeof SETTINGS>;

/** Reads the settings. Throws SettingsError with every fault. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, sourceOf?: SourceName): RegistrySettings {
  return loadSettings(SETTINGS, env, sourceOf);
}
