import { readFile, writeFile } from 'node:fs/promises';
import { EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { ClassifyRequest, TokenizeRequest } from '#proto/zmesh/v1/dispatcher.js';
import { GenerateTokensRequest } from '#proto/zmesh/v1/inference.js';
import { JobRecord } from '#proto/zmesh/v1/jobs.js';
import { GetRunRequest, StartRunRequest } from '#proto/zmesh/v1/trainer.js';
import { connectEvents } from '#shared/events/connection.js';
import { publish } from '#shared/events/publish.js';
import { createLog } from '#shared/log.js';
import type { Cleanup } from '../support/cleanup.js';
import { type RawAnswer, rawClient } from '../support/raw-grpc.js';
import { type Facts, registryClient, specOf } from './facts.js';
import type { Ground, Service } from './mesh.js';
import { METHODS } from './methods.js';
import { RUN_SPEC } from './seeds-trainer.js';

/** Hears how a call of an RPC was refused. */
export type Refused = (method: string, answer: RawAnswer) => void;

interface Outages {
  readonly ground: Ground;
  readonly facts: Facts;
  readonly registry: Service;
  readonly inference: Service;
  readonly dispatcher: Service;
  readonly stopFile: string;
  send(service: Service, method: string, message: Uint8Array): Promise<RawAnswer>;
}

const ALIAS = 'outage';
const NEWER_RUN = 'ab'.repeat(16);
const PRELOAD = new URL('./stop-engine.js', import.meta.url).href;

/** Brings a mesh of its own, with little room and a short patience, into every trouble that a reason of the catalogue names. */
export async function provokeOutages(
  t: Cleanup,
  ground: Ground,
  facts: Facts,
  refused: Refused,
): Promise<void> {
  const outages = await startOutages(t, ground, facts, refused);
  await routing(outages);
  await callerLeaves(outages);
  await fullHouse(outages);
  await trainerAlone(t, outages, refused);
  await silentRegistry(outages);
  await registryLeaves(outages);
  await engineStops(outages);
}

async function startOutages(t: Cleanup, ground: Ground, facts: Facts, refused: Refused): Promise<Outages> {
  const registry = await ground.start('expert-registry', { ZMESH_LOG_LEVEL: 'debug' });
  const stopFile = `${registry.logFile}.stop-engine`;
  const inference = await ground.start('inference', {
    NODE_OPTIONS: `--import ${PRELOAD}`,
    ZMESH_TEST_STOP_ENGINE: stopFile,
    ZMESH_REGISTRY_ADDRESS: registry.address,
    ZMESH_NATS_URL: '',
    ZMESH_INFERENCE_MODELS: EMBEDDED_MODEL,
    ZMESH_INFERENCE_KV_BYTES: String(2 ** 20),
    ZMESH_INFERENCE_PREFIX_BYTES: '0',
    ZMESH_INFERENCE_SLOTS: '2',
    ZMESH_INFERENCE_QUEUE_MAX: '1',
    ZMESH_INFERENCE_REGISTRY_TIMEOUT_MS: '2000',
  });
  const dispatcher = await ground.start('dispatcher', {
    ZMESH_REGISTRY_ADDRESS: registry.address,
    ZMESH_INFERENCE_ADDRESS: inference.address,
    ZMESH_NATS_URL: '',
    ZMESH_ROUTED_ALIAS: ALIAS,
    ZMESH_DISPATCHER_MODELS_MAX_AGE_MS: '0',
  });
  const clients = new Map(
    [registry, inference, dispatcher].map((service) => [service, rawClient(service.address)]),
  );
  t.after(() => {
    for (const client of clients.values()) client.close();
  });
  return {
    ground,
    facts,
    registry,
    inference,
    dispatcher,
    stopFile,
    async send(service, method, message) {
      const { path, kind } = METHODS.find(({ name }) => name === method)!;
      const answer = await clients
        .get(service)!
        .call({ path, kind, messages: [message], deadlineMs: 20_000 });
      if (answer.info) refused(method, answer);
      return answer;
    },
  };
}

const question = { input: { $case: 'text' as const, value: 'Hello' } };

/** Without routed experts, then with two of one label. */
async function routing({ send, dispatcher, registry, facts }: Outages): Promise<void> {
  const classify = () =>
    send(
      dispatcher,
      'Classify',
      ClassifyRequest.encode({
        ...ClassifyRequest.fromPartial({ model: EMBEDDED_MODEL }),
        prompt: question,
        strategy: { kind: { $case: 'prompt', value: { firstPass: undefined } } },
      }).finish(),
    );
  await classify();
  const client = registryClient(registry.address);
  for (const name of ['victim-a', 'victim-b']) {
    const spec = { ...specOf(name, facts.basisId), label: 'same' };
    await client.publishExpert({ spec, vectors: facts.vectors, alias: ALIAS });
  }
  client.close();
  await until(
    'two experts of one label are seen',
    async () => (await classify()).info?.reason === 'LABEL_AMBIGUOUS',
  );
}

/** Who leaves does not hear the reason; the log has it. */
async function callerLeaves({ registry }: Outages): Promise<void> {
  const client = rawClient(registry.address);
  const { path, kind } = METHODS.find(({ name }) => name === 'WatchExperts')!;
  await client.call({ path, kind, messages: [new Uint8Array(0)], deadlineMs: 20_000, cancelAfter: 1 });
  client.close();
  await until('the log says that a caller went away', async () =>
    /"reason":"CANCELLED"/.test(await readFile(registry.logFile, 'utf8')),
  );
}

const generation = (options: { maxTokens: number; n?: number; expert?: string }): Uint8Array =>
  GenerateTokensRequest.encode({
    ...GenerateTokensRequest.fromPartial({
      model: EMBEDDED_MODEL,
      n: options.n ?? 1,
      sampling: { maxTokens: options.maxTokens, ignoreEos: true },
    }),
    prompt: question,
    mixture: { arms: options.expert ? [{ expert: options.expert, alpha: 1, alphaPerMatrix: {} }] : [] },
  }).finish();

/** More keys and values than there are, and more requests than may wait. */
async function fullHouse({ send, inference }: Outages): Promise<void> {
  await send(inference, 'GenerateTokens', generation({ maxTokens: 480, n: 2 }));
  const many = Array.from({ length: 8 }, () =>
    send(inference, 'GenerateTokens', generation({ maxTokens: 300 })),
  );
  await Promise.all(many);
}

/** A registry that listens and does not speak. */
async function silentRegistry({ send, inference, registry, facts }: Outages): Promise<void> {
  process.kill(registry.pid, 'SIGSTOP');
  const expert = `math@${facts.versions.get('math')}`;
  await send(inference, 'GenerateTokens', generation({ maxTokens: 1, expert }));
  process.kill(registry.pid, 'SIGCONT');
}

/** A registry that drains while somebody watches, and is gone then. */
async function registryLeaves({ send, inference, registry, facts }: Outages): Promise<void> {
  const watch = send(registry, 'WatchExperts', new Uint8Array(0));
  await new Promise((resolve) => setTimeout(resolve, 300));
  await registry.stop();
  await watch;
  const expert = `code@${facts.versions.get('code')}`;
  await send(inference, 'GenerateTokens', generation({ maxTokens: 1, expert }));
}

/** An engine that ends in the middle of an answer; then nobody infers any more. */
async function engineStops({ send, inference, dispatcher, stopFile }: Outages): Promise<void> {
  const answer = send(inference, 'GenerateTokens', generation({ maxTokens: 480 }));
  await writeFile(stopFile, '');
  await answer;
  await inference.exited;
  await send(
    dispatcher,
    'Tokenize',
    TokenizeRequest.encode({ model: EMBEDDED_MODEL, prompt: question }).finish(),
  );
}

/** A trainer whose NATS, which is its own, goes away: what it is asked cannot be kept anywhere. */
async function trainerAlone(
  t: Cleanup,
  { ground, registry, inference }: Outages,
  refused: Refused,
): Promise<void> {
  const nats = await ground.startNats();
  const trainer = await ground.start('trainer', {
    ZMESH_NATS_URL: nats.url,
    ZMESH_REGISTRY_ADDRESS: registry.address,
    ZMESH_INFERENCE_ADDRESS: inference.address,
  });
  await newerRecord(nats.url);
  const client = rawClient(trainer.address);
  t.after(() => client.close());
  await until('a run that a newer trainer wrote is refused', async () => {
    const { path, kind } = METHODS.find(({ name }) => name === 'GetRun')!;
    const messages = [GetRunRequest.encode({ id: NEWER_RUN }).finish()];
    const answer = await client.call({ path, kind, messages, deadlineMs: 20_000 });
    if (answer.info) refused('GetRun', answer);
    return answer.info?.reason === 'FORMAT_NEWER';
  });
  await nats.stop();
  const { path, kind } = METHODS.find(({ name }) => name === 'StartRun')!;
  const message = StartRunRequest.encode({ requestId: '', spec: RUN_SPEC }).finish();
  const answer = await client.call({ path, kind, messages: [message], deadlineMs: 20_000 });
  if (answer.info) refused('StartRun', answer);
}

/** The record of a run in a format that is not there yet. */
async function newerRecord(url: string): Promise<void> {
  const connection = await connectEvents({
    url,
    name: 'hostile',
    log: createLog('hostile', { ZMESH_LOG_LEVEL: 'silent' }),
  });
  const record = JobRecord.fromPartial({ format: 1000, id: NEWER_RUN });
  await publish(connection, {
    subject: `$KV.ZMESH_JOBS.run.${NEWER_RUN}`,
    data: JobRecord.encode(record).finish(),
    messageId: NEWER_RUN,
  });
  await connection.close();
}

async function until(what: string, condition: () => Promise<boolean>): Promise<void> {
  for (
    const giveUp = Date.now() + 20_000;
    !(await condition());
    await new Promise((go) => setTimeout(go, 50))
  )
    if (Date.now() > giveUp) throw new Error(`not after 20 s: ${what}`);
}
