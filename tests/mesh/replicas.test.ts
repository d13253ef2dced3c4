import assert from 'node:assert/strict';
import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { readRun } from '#deploy/local/run-file.js';
import { FinishReason, Sampling } from '#proto/zmesh/v1/common.js';
import {
  DispatcherServiceService,
  GenerateRequest,
  type GenerateResponse,
  type Strategy,
} from '#proto/zmesh/v1/dispatcher.js';
import type { InferencePresence } from '#proto/zmesh/v1/events.js';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { connectEvents } from '#shared/events/connection.js';
import { watchPresences } from '#shared/events/presence-watch.js';
import { createLog } from '#shared/log.js';
import { projectRoot } from '#shared/paths.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { lastFirst } from '../support/cleanup.js';
import { eventually, type Running, testHome } from '../support/mesh.js';

const cleanup = lastFirst({ after });
const home = await testHome(cleanup);
const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
const NONE: Strategy['kind'] = { $case: 'none', value: {} };

type Dispatcher = RpcClient<DispatcherServiceService>;

/** A stream as its reader sees it. */
interface Read {
  readonly events: GenerateResponse[];
  tokens: number;
  /** On performance.now's clock; NaN while it runs. */
  endedMs: number;
  readonly done: Promise<ZmeshError | undefined>;
}

/** Prompts that differ in their first message, so that they belong to different replicas. */
const prompt = (number: number): GenerateRequest['prompt'] => ({
  input: {
    $case: 'chat',
    value: {
      messages: [{ role: 'user', content: `Mia has ${number} cards and buys 30 more. How many cards now?` }],
    },
  },
});

const question = (number: number, { n, maxTokens }: { n: number; maxTokens: number }): GenerateRequest =>
  GenerateRequest.create({
    prompt: prompt(number),
    strategy: { kind: NONE as never },
    n,
    sampling: Sampling.create({ temperature: 0, maxTokens, ignoreEos: true }),
  });

function read(dispatcher: Dispatcher, request: GenerateRequest): Read {
  const events: GenerateResponse[] = [];
  const reading: { -readonly [K in keyof Read]: Read[K] } = {
    events,
    tokens: 0,
    endedMs: Number.NaN,
    done: Promise.resolve(undefined),
  };
  reading.done = (async () => {
    try {
      for await (const message of dispatcher.generate(request, { timeoutMs: 60_000 })) {
        events.push(message);
        if (message.event?.$case === 'delta') reading.tokens += message.event.value.tokenIds.length;
      }
      return undefined;
    } catch (error) {
      return ZmeshError.from(error);
    } finally {
      reading.endedMs = performance.now();
    }
  })();
  return reading;
}

/** Token ids of each answer. */
function answers({ events }: Read): number[][] {
  const found: number[][] = [];
  for (const { event } of events)
    if (event?.$case === 'delta') {
      found[event.value.answer] ??= [];
      found[event.value.answer]!.push(...event.value.tokenIds);
    }
  return found;
}

/** All of them fit into one replica: none must wait for the end of another, whichever replica they are on. */
const LONG = { n: 4, maxTokens: 400 };
const MEDIUM = { n: 2, maxTokens: 200 };
/** So many that each dispatcher must use every replica: it prefers one by at most four requests. */
const MANY = 12;
const SHORT = { n: 1, maxTokens: 24 };

describe('a mesh of two dispatchers, two registries and two inference replicas', {
  concurrency: false,
}, () => {
  let dispatchers: Dispatcher[] = [];
  let registries: RpcClient<ExpertRegistryServiceService>[] = [];
  let third: Running | undefined;
  let prepared = new Map<string, string>();
  const presences = new Map<string, InferencePresence>();
  /** Replicas that had something at work, by address, since the test cleared it. */
  const seenBusy = new Set<string>();
  const processesOf = (name: string) =>
    (readRun(home.path)?.processes ?? []).filter(
      (one) => one.name === name || one.name.startsWith(`${name}-`),
    );
  const each = <T>(count: number, work: (dispatcher: Dispatcher, number: number) => T): T[] =>
    Array.from({ length: count }, (_, i) => work(dispatchers[i % dispatchers.length]!, i));

  before(async () => {
    const { code, err } = await home.zmesh(
      ...['up', '--detach', '--replicas', 'inference=2,dispatcher=2,registry=2'],
    );
    assert.equal(code, 0, err);
    prepared = filesOf(join(home.path, 'models'));
    dispatchers = processesOf('dispatcher').map(({ address }) =>
      connect(DispatcherServiceService, { address: address!, unavailable: 'INTERNAL' }),
    );
    registries = processesOf('expert-registry').map(({ address }) =>
      connect(ExpertRegistryServiceService, { address: address!, unavailable: 'REGISTRY_UNAVAILABLE' }),
    );
    const url = processesOf('nats-server')[0]!.address!;
    const connection = await connectEvents({ url, name: 'test', log });
    const stopping = new AbortController();
    const watching = watchPresences(connection, {
      onPresent(key, presence) {
        presences.set(key, presence);
        if (presence.models.some(({ running }) => running > 0)) seenBusy.add(presence.address);
      },
      onGone: (key) => presences.delete(key),
      onCurrent() {},
      signal: stopping.signal,
    });
    cleanup.after(async () => {
      stopping.abort();
      await watching;
      await connection.close();
      for (const client of [...dispatchers, ...registries]) client.close();
    });
  });

  /** Asks in rounds, since a replica tells once a second how busy it is. */
  const askUntilBusy = async (who: string, busy: () => boolean): Promise<void> => {
    seenBusy.clear();
    const giveUp = Date.now() + 30_000;
    for (let round = 0; !busy(); round++) {
      assert.ok(Date.now() < giveUp, `${who} should have been busy`);
      const reads = each(2 * MANY, (dispatcher, i) => read(dispatcher, question(round * 100 + i, MEDIUM)));
      for (const { done } of reads) assert.equal(await done, undefined);
    }
  };

  const addresses = (): string[] => [...presences.values()].map(({ address }) => address).sort();

  it('runs six services, and both inference replicas announce their models, load and experts', async () => {
    assert.deepEqual([dispatchers.length, registries.length], [2, 2]);
    const running = processesOf('inference').map(({ address }) => address!);
    await eventually('both are announced', () => presences.size === 2);
    assert.deepEqual(addresses(), running.sort());
    for (const { models, format } of presences.values()) {
      assert.equal(format, 1);
      assert.equal(models[0]?.name, 'octo-nano');
      assert.match(models[0]!.fingerprint, /^[0-9a-f]{64}$/);
      assert.ok(models[0]!.freePages > 0);
    }
  });

  it('spreads work over both, whichever dispatcher is asked', async () => {
    await askUntilBusy('both', () => seenBusy.size === 2);
  });

  it('shows what is published through one registry through the other, and both dispatchers route to it', async () => {
    const file = join(projectRoot, 'models/octo-nano/experts/code.safetensors');
    const published = await home.zmesh(
      ...['experts', 'publish', file, '--name', 'second', '--alias', 'canary', '--json'],
      ...['--registry', processesOf('expert-registry')[0]!.address!],
    );
    assert.equal(published.code, 0, published.err);
    const { expert } = JSON.parse(published.out) as { expert: { version: string } };
    const found = await registries[1]!.getExpert({ name: 'octo-nano/second@canary' });
    assert.equal(found.expert?.version, expert.version);
    for (const dispatcher of dispatchers) {
      const request = question(1, SHORT);
      request.strategy = { kind: { $case: 'expert', value: { expert: 'second@canary' } } };
      const { receipt } = await dispatcher.complete({ request });
      assert.equal(receipt?.arms[0]?.expert, `octo-nano/second@${expert.version}`);
    }
  });

  it('kill -9 of a replica: streams on the other are undisturbed, its own end with the number of tokens sent, new ones move on', async (t) => {
    const expected = each(MANY, (dispatcher, i) => read(dispatcher, question(i, LONG)));
    for (const { done } of expected) assert.equal(await done, undefined);

    const reads = each(MANY, (dispatcher, i) => read(dispatcher, question(i, LONG)));
    await eventually('every stream has tokens', () => reads.every(({ tokens }) => tokens > 0), 20_000);
    const [victim] = processesOf('inference');
    const announced = [...presences.keys()].find((key) => presences.get(key)?.address === victim!.address)!;
    process.kill(victim!.pid, 'SIGKILL');
    const killedMs = performance.now();
    // From the moment of the kill on nothing that is asked anew may fail.
    const later = each(20, (dispatcher, i) => read(dispatcher, question(100 + i, SHORT)));
    const failures = await Promise.all(reads.map(({ done }) => done));
    let slowestMs = 0;
    for (const [i, error] of failures.entries()) {
      const one = reads[i]!;
      if (!error) {
        assert.deepEqual(answers(one), answers(expected[i]!));
        assert.equal(one.events.at(-1)?.event?.$case, 'receipt');
        continue;
      }
      assert.deepEqual([error.code, error.reason], ['UNAVAILABLE', 'ENGINE_STOPPED'], error.message);
      slowestMs = Math.max(slowestMs, one.endedMs - killedMs);
      assert.equal(Number(error.details.names?.tokens), one.tokens);
      assert.ok(one.tokens > 0);
      assert.ok(!one.events.some(({ event }) => event?.$case === 'receipt'), 'nothing looks finished');
      const whole = answers(expected[i]!);
      for (const [answer, ids] of answers(one).entries())
        assert.deepEqual(ids, whole[answer]!.slice(0, ids.length));
    }
    t.diagnostic(`streams of the dead replica ended within ${slowestMs.toFixed(0)} ms of the kill`);
    assert.ok(slowestMs < 3000, `they end at once, not by a deadline: ${slowestMs} ms`);
    const lost = failures.filter((error) => error !== undefined).length;
    assert.ok(
      lost > 0 && lost < failures.length,
      `${lost} of ${failures.length} streams were on the dead one`,
    );
    for (const { done } of later) assert.equal(await done, undefined);
    const again = (): boolean => presences.size === 2 && !presences.has(announced);
    await eventually('it was started again, and announced itself', again, 30_000);
  });

  it('takes a third replica in without a restart, and gives it work', async () => {
    const run = readRun(home.path)!.processes;
    third = home.start('dist/services/inference/main.js', [], {
      ZMESH_NATS_URL: run.find(({ name }) => name === 'nats-server')!.address!,
      ZMESH_REGISTRY_ADDRESS: processesOf('expert-registry')
        .map(({ address }) => address)
        .join(','),
      ZMESH_INFERENCE_PRELOAD: 'math@stable',
    });
    await eventually('it announced itself', () => presences.size === 3);
    const fixed = new Set(processesOf('inference').map(({ address }) => address));
    const joined = [...presences.values()].find(({ address }) => !fixed.has(address))!;
    assert.equal(joined.experts.length, 1, 'its preloaded expert is there');
    await askUntilBusy('the third', () => seenBusy.has(joined.address));
  });

  it('loses no request when a replica drains', async () => {
    const reads = each(9, (dispatcher, i) => read(dispatcher, question(300 + i, { n: 2, maxTokens: 300 })));
    await eventually('every stream has tokens', () => reads.every(({ tokens }) => tokens > 0), 20_000);
    third!.child.kill('SIGTERM');
    let number = 400;
    let ended = false;
    void third!.finished.then(() => {
      ended = true;
    });
    const asked: Read[] = [];
    while (!ended) {
      asked.push(...each(4, (dispatcher) => read(dispatcher, question(number++, SHORT))));
      await Promise.all(asked.map(({ done }) => done));
    }
    for (const { done, events } of [...reads, ...asked]) {
      assert.equal(await done, undefined);
      const ends = events.flatMap(({ event }) => (event?.$case === 'end' ? event.value.finishReason : []));
      assert.ok(ends.length > 0 && ends.every((reason) => reason === FinishReason.LENGTH), String(ends));
    }
    assert.equal((await third!.finished).code, 0);
    assert.ok(asked.length > 0);
    await eventually('its announcement is gone', () => presences.size === 2, 2000);
  });

  it('prepared the model once: every replica served one folder and wrote nothing into it', () => {
    assert.ok(prepared.size > 5);
    assert.deepEqual(filesOf(join(home.path, 'models')), prepared);
  });
});

/** Size and time of change of every file in a folder. */
function filesOf(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return new Map(
    names.map((name) => {
      const { size, mtimeMs, ctimeMs } = statSync(join(folder, name));
      return [name, `${size} ${mtimeMs} ${ctimeMs}`];
    }),
  );
}
