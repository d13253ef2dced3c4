import {
  loadSettings,
  type Settings,
  SettingsError,
  type SettingsTable,
  type SourceName,
} from '#shared/config.js';
import { listenSettings, natsReplicasSetting } from '#shared/process-settings.js';
import { checkAlias, ROUTED_ALIAS } from '#shared/svf/names.js';

/** Every setting of the dispatcher. */
export const SETTINGS = {
  ...listenSettings('DISPATCHER'),
  inferenceAddresses: {
    env: 'ZMESH_INFERENCE_ADDRESS',
    type: 'list',
    form: 'host:port',
    default: ['127.0.0.1:7070'],
    help: 'host:port of inference replicas that are always there; with ZMESH_NATS_URL the default is none, since replicas announce themselves there',
  },
  natsUrl: {
    env: 'ZMESH_NATS_URL',
    type: 'string',
    form: 'NATS URLs',
    default: '',
    help: 'NATS server where inference replicas announce themselves; empty = only those with an address here are called',
  },
  natsReplicas: natsReplicasSetting(
    'copies that a cluster of NATS keeps of the announcements, should they be made here; 3 in production',
  ),
  affinityMargin: {
    env: 'ZMESH_DISPATCHER_AFFINITY_MARGIN',
    type: 'integer',
    default: 4,
    min: 0,
    max: 10_000,
    help: 'how many more requests than the least busy replica one may have and still be preferred for the experts and prompts that it holds',
  },
  registryAddresses: {
    env: 'ZMESH_REGISTRY_ADDRESS',
    type: 'list',
    form: 'host:port',
    default: ['127.0.0.1:7071'],
    help: 'host:port of the expert registries; several are used round robin',
  },
  trainerAddresses: {
    env: 'ZMESH_TRAINER_ADDRESS',
    type: 'list',
    form: 'host:port',
    default: ['127.0.0.1:7072'],
    help: 'host:port of the trainers, which search for adaptations; several are used round robin',
  },
  defaultStrategy: {
    env: 'ZMESH_DEFAULT_STRATEGY',
    type: 'choice',
    default: 'auto',
    choices: ['none', 'prompt', 'classifier', 'auto'],
    help: 'strategy of requests that name none',
  },
  routedAlias: {
    env: 'ZMESH_ROUTED_ALIAS',
    type: 'string',
    default: ROUTED_ALIAS,
    help: 'alias that makes a version take part in routing, and that names without @ stand for',
  },
  abstainThreshold: {
    env: 'ZMESH_ABSTAIN_THRESHOLD',
    type: 'number',
    default: 0.5,
    min: 0,
    max: 1,
    help: 'below this probability of the best label the base model answers',
  },
  firstPassMode: {
    env: 'ZMESH_FIRST_PASS_MODE',
    type: 'choice',
    default: 'score',
    choices: ['score', 'generate'],
    help: 'whether pass 1 scores the labels or lets the model write one',
  },
  firstPassBlend: {
    env: 'ZMESH_FIRST_PASS_BLEND',
    type: 'choice',
    default: 'top',
    choices: ['top', 'probability'],
    help: 'one expert for the best label, or all mixed by probability (needs score)',
  },
  labelTokensMax: {
    env: 'ZMESH_FIRST_PASS_MAX_TOKENS',
    type: 'integer',
    default: 32,
    min: 1,
    max: 256,
    help: 'most tokens of a written label; a longer one counts as other',
  },
  messagesMax: {
    env: 'ZMESH_DISPATCHER_MESSAGES_MAX',
    type: 'integer',
    default: 4096,
    min: 1,
    max: 4096,
    help: 'most messages of one prompt',
  },
  promptBytesMax: {
    env: 'ZMESH_DISPATCHER_PROMPT_BYTES_MAX',
    type: 'integer',
    default: 4 * 1024 * 1024,
    min: 1024,
    max: 32 * 1024 * 1024,
    help: 'most bytes of one prompt (UTF-8; 4 for each token id)',
  },
  answersMax: {
    env: 'ZMESH_DISPATCHER_ANSWERS_MAX',
    type: 'integer',
    default: 64,
    min: 1,
    max: 64,
    help: 'most answers (n) of one request',
  },
  requestsMax: {
    env: 'ZMESH_DISPATCHER_REQUESTS_MAX',
    type: 'integer',
    default: 1024,
    min: 1,
    max: 100_000,
    help: 'most requests at work at once; further ones are refused with QUEUE_FULL',
  },
  modelsMaxAgeMs: {
    env: 'ZMESH_DISPATCHER_MODELS_MAX_AGE_MS',
    type: 'integer',
    default: 5000,
    min: 0,
    max: 3_600_000,
    help: 'how long the list of served models is used before inference is asked again',
  },
  firstViewMs: {
    env: 'ZMESH_DISPATCHER_FIRST_VIEW_MS',
    type: 'integer',
    default: 3000,
    min: 0,
    max: 600_000,
    help: 'how long a start waits for the registry before it serves without experts',
  },
  drainMs: {
    env: 'ZMESH_DISPATCHER_DRAIN_MS',
    type: 'integer',
    default: 8000,
    min: 0,
    max: 600_000,
    help: 'how long running requests may take to finish at shutdown',
  },
} as const satisfies SettingsTable;

/** The dispatcher's settings. */
export type DispatcherSettings = Settings<typeof SETTINGS>;

/** Reads the settings. Throws SettingsError for faults in single settings, else for those that they have together. */
export function loadConfig(env: NodeJS.ProcessEnv = process.env, sourceOf?: SourceName): DispatcherSettings {
  const given = loadSettings(SETTINGS, env, sourceOf);
  const announced = given.natsUrl !== '' && !env[SETTINGS.inferenceAddresses.env];
  const settings = announced ? Object.freeze({ ...given, inferenceAddresses: [] }) : given;
  const faults: string[] = [];
  if (settings.firstPassMode === 'generate' && settings.firstPassBlend === 'probability') {
    faults.push(
      `${SETTINGS.firstPassBlend.env}=probability needs ${SETTINGS.firstPassMode.env}=score: a written label has no probabilities`,
    );
  }
  try {
    checkAlias(settings.routedAlias, SETTINGS.routedAlias.env);
  } catch (error) {
    faults.push((error as Error).message);
  }
  if (faults.length > 0) throw new SettingsError(faults);
  return settings;
}
