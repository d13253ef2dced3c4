import {
  loadSettings,
  type Settings,
  SettingsError,
  type SettingsTable,
  type SourceName,
} from '#shared/config.js';
import { listenSettings, natsReplicasSetting } from '#shared/process-settings.js';
import { preloadName } from './preload-name.js';

const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

/** Every setting of the inference service. */
export const SETTINGS = {
  ...listenSettings('INFERENCE'),
  advertise: {
    env: 'ZMESH_INFERENCE_ADVERTISE',
    type: 'string',
    form: 'host:port',
    default: '',
    help: 'host:port under which dispatchers call this replica; empty = where it listens, by the name of the machine where that is every address',
  },
  models: {
    env: 'ZMESH_INFERENCE_MODELS',
    type: 'list',
    default: ['octo-nano'],
    help: 'models to serve: names of prepared models under <home>/models, or folders',
  },
  registryAddresses: {
    env: 'ZMESH_REGISTRY_ADDRESS',
    type: 'list',
    form: 'host:port',
    default: [],
    help: 'host:port of the expert registries; none = only the base is served',
  },
  natsUrl: {
    env: 'ZMESH_NATS_URL',
    type: 'string',
    form: 'NATS URLs',
    default: '',
    help: 'NATS server whose events tell of new experts; empty = experts are fetched when they are first asked for',
  },
  natsReplicas: natsReplicasSetting(
    'copies that a cluster of NATS keeps of the announcements, should they be made here; 3 in production',
  ),
  memoryBytes: {
    env: 'ZMESH_INFERENCE_MEMORY_BYTES',
    type: 'integer',
    default: 0,
    min: 0,
    max: 16_384 * GIB,
    help: 'bytes that all models may take together, weights and keys and values; 0 = 80 % of what the process may use',
  },
  kvBytes: {
    env: 'ZMESH_INFERENCE_KV_BYTES',
    type: 'integer',
    default: 256 * MIB,
    min: MIB,
    max: 1024 * GIB,
    help: 'bytes of keys and values of each model: how many tokens can be at work at once',
  },
  prefixBytes: {
    env: 'ZMESH_INFERENCE_PREFIX_BYTES',
    type: 'integer',
    default: 128 * MIB,
    min: 0,
    max: 1024 * GIB,
    help: 'bytes of those that stay for prompts which begin alike (finished turns, instructions); 0 = none',
  },
  threads: {
    env: 'ZMESH_INFERENCE_THREADS',
    type: 'integer',
    default: 1,
    min: 1,
    max: 256,
    help: 'threads inside an operator; no more than there are free cores',
  },
  gradientThreads: {
    env: 'ZMESH_INFERENCE_GRADIENT_THREADS',
    type: 'integer',
    default: 1,
    min: 1,
    max: 256,
    help: 'threads inside an operator while gradients are computed; they yield to those that generate',
  },
  gradientBytes: {
    env: 'ZMESH_INFERENCE_GRADIENT_BYTES',
    type: 'integer',
    default: 512 * MIB,
    min: MIB,
    max: 1024 * GIB,
    help: 'bytes that computing a gradient may take beside the weights, for each model; larger batches are split',
  },
  stepTokens: {
    env: 'ZMESH_INFERENCE_STEP_TOKENS',
    type: 'integer',
    default: 256,
    min: 16,
    max: 65_536,
    help: 'most prompt tokens computed in one step: how long running streams may stall',
  },
  slots: {
    env: 'ZMESH_INFERENCE_SLOTS',
    type: 'integer',
    default: 64,
    min: 1,
    max: 1024,
    help: 'most answers computed at once by each model',
  },
  queueMax: {
    env: 'ZMESH_INFERENCE_QUEUE_MAX',
    type: 'integer',
    default: 1024,
    min: 1,
    max: 1_000_000,
    help: 'most requests of each priority that wait; further ones are refused with QUEUE_FULL',
  },
  expertMaxBytes: {
    env: 'ZMESH_INFERENCE_EXPERT_BYTES',
    type: 'integer',
    default: 256 * MIB,
    min: MIB,
    max: 1024 * GIB,
    help: 'bytes of expert vectors that stay resident',
  },
  draftsMax: {
    env: 'ZMESH_INFERENCE_DRAFTS_MAX',
    type: 'integer',
    default: 64,
    min: 1,
    max: 65_536,
    help: 'most unpublished multipliers (drafts of trainers) kept at a time for each model; the longest unused give way',
  },
  draftLeaseMs: {
    env: 'ZMESH_INFERENCE_DRAFT_LEASE_MS',
    type: 'integer',
    default: 600_000,
    min: 1000,
    max: 86_400_000,
    help: 'how long a draft stays after its last use',
  },
  preload: {
    env: 'ZMESH_INFERENCE_PRELOAD',
    type: 'list',
    default: [],
    help: 'experts that are loaded at the start and never dropped, by names with an alias or a version: math@stable, octo-nano/math@stable, *@stable; an alias that moves takes its place with it',
  },
  spectrumMaxBytes: {
    env: 'ZMESH_INFERENCE_SPECTRUM_BYTES',
    type: 'integer',
    default: 256 * MIB,
    min: MIB,
    max: 1024 * GIB,
    help: 'bytes of composed mixtures that stay resident, for each model',
  },
  promptBytesMax: {
    env: 'ZMESH_INFERENCE_PROMPT_BYTES_MAX',
    type: 'integer',
    default: 4 * MIB,
    min: 1024,
    max: 32 * MIB,
    help: 'most bytes of one prompt or continuation as text',
  },
  registryTimeoutMs: {
    env: 'ZMESH_INFERENCE_REGISTRY_TIMEOUT_MS',
    type: 'integer',
    default: 10_000,
    min: 100,
    max: 600_000,
    help: 'how long fetching an expert may take',
  },
  drainMs: {
    env: 'ZMESH_INFERENCE_DRAIN_MS',
    type: 'integer',
    default: 8000,
    min: 0,
    max: 600_000,
    help: 'how long running requests may take to finish at shutdown',
  },
} as const satisfies SettingsTable;

/** The inference service's settings. */
export type InferenceSettings = Settings<typeof SETTINGS>;

/** Reads the settings. Throws SettingsError with every fault. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, sourceOf?: SourceName): InferenceSettings {
  const settings = loadSettings(SETTINGS, env, sourceOf);
  const faults = settings.models.length === 0 ? [`${SETTINGS.models.env} names no model`] : [];
  if (settings.preload.length > 0 && settings.registryAddresses.length === 0)
    faults.push(
      `${SETTINGS.preload.env} needs ${SETTINGS.registryAddresses.env}: experts come from a registry`,
    );
  for (const text of settings.preload) {
    try {
      preloadName(text, SETTINGS.preload.env);
    } catch (error) {
      faults.push((error as Error).message);
    }
  }
  if (faults.length > 0) throw new SettingsError(faults);
  return settings;
}
