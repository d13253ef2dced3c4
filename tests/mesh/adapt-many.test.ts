import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import {
  type Adaptation,
  type AdaptationEvent,
  AdaptationSpec,
  JobState,
  SearchDeploy,
} from '#proto/zmesh/v1/adaptation.js';
import { RewardServiceService } from '#proto/zmesh/v1/reward.js';
import { sleep } from '#shared/deadline.js';
import { createLog } from '#shared/log.js';
import { bind } from '#shared/rpc/bind.js';
import { serve } from '#shared/rpc/server.js';
import type { StoredTrace } from '#shared/telemetry/stored-trace.js';
import { epochMs } from '#shared/timestamp.js';
import { adaptationMesh, examplesOf } from '../support/adaptation-mesh.js';
import { lastFirst } from '../support/cleanup.js';

const JOBS = 10;
const TRAINERS = 2;
const JOBS_EACH = 2;

const cleanup = lastFirst({ after });
const { home, dispatcher, registry, processOf } = await adaptationMesh(cleanup, TRAINERS, {
  ZMESH_TRAINER_JOBS: String(JOBS_EACH),
});

function specOf(name: string, settings: object = {}): AdaptationSpec {
  const small = { population: 4, generations: 2, stage: 3, ...settings };
  return AdaptationSpec.fromPartial({
    model: 'octo-nano',
    name,
    examples: examplesOf('arithmetic', 3),
    settings: small,
  } as never);
}

async function ask(spec: AdaptationSpec, timeoutS = 0): Promise<Adaptation> {
  for await (const { event } of dispatcher.adapt({ requestId: '', spec, timeoutS }))
    return event!.adaptation!;
  throw new Error('a stream without an event');
}

async function end(id: string): Promise<Adaptation> {
  let last: AdaptationEvent | undefined;
  for await (const { event } of dispatcher.watchAdaptation({ id, afterSequence: 0n })) last = event;
  return last!.adaptation!;
}

/** A reward service whose rewards nobody can take. */
async function brokenReward(asked: string[]): Promise<string> {
  const server = await serve({
    host: '127.0.0.1',
    port: 0,
    log: createLog('test', { ZMESH_LOG_LEVEL: 'silent' }),
    services: [
      bind(RewardServiceService, {
        async scoreAnswers({ answers }) {
          asked.push(...answers.map(({ itemId }) => itemId));
          return { scores: answers.map(() => ({ reward: 7, detail: '' })) };
        },
      }),
    ],
  });
  cleanup.after(() => server.drain(1000));
  return server.address;
}

const ms = (time: Adaptation['createdAt']): number => epochMs(time!);

describe('many adaptations at once', { concurrency: 1 }, () => {
  test('ten jobs on two trainers: first come first served, bounded, each with its own end', async () => {
    const asked: Adaptation[] = [];
    for (let i = 0; i < JOBS; i++) asked.push(await ask(specOf(`many-${i}`)));
    const dropped = asked[6]!.id;
    await dispatcher.cancelAdaptation({ id: dropped });
    const ended = await Promise.all(asked.map(({ id }) => end(id)));
    for (const job of ended) {
      const expected = job.id === dropped ? JobState.CANCELLED : JobState.SUCCEEDED;
      assert.equal(job.state, expected, job.failure?.message);
      assert(job.finishedAt, `${job.spec?.name} tells when it ended`);
    }
    const done = ended.filter(({ id }) => id !== dropped);
    // Equal work gives equal results, whoever ran it and whatever ran beside it.
    const outcomes = done.map(({ result }) =>
      JSON.stringify(result?.candidates.map(({ kind, score }) => [kind, score])),
    );
    assert.equal(new Set(outcomes).size, 1);
    const atOnce = done.map((job) => {
      const begun = done.filter(({ startedAt }) => ms(startedAt) <= ms(job.startedAt));
      return begun.filter(({ finishedAt }) => ms(finishedAt) > ms(job.startedAt)).length;
    });
    const places = TRAINERS * JOBS_EACH;
    assert(Math.max(...atOnce) <= places, `${atOnce}`);
    assert(Math.max(...atOnce) > JOBS_EACH, `both trainers work: ${atOnce}`);
    // Who begins together has no order; nobody is overtaken by more than those that begin together.
    const order = [...done].sort((a, b) => ms(a.startedAt) - ms(b.startedAt));
    for (const [place, job] of order.entries())
      assert(Math.abs(place - done.indexOf(job)) < places, `${job.spec?.name} began as number ${place}`);
    const request = { model: 'octo-nano', includeRetired: true, pageSize: 10, pageToken: '' };
    for (const job of done) {
      const { experts } = await registry.listExperts({ ...request, name: job.spec!.name });
      assert.equal(experts.length, 1, `${job.spec!.name} is published once`);
    }
  });

  test('a job that fails beside others fails alone: theirs are as they are without it', async () => {
    const asked: string[] = [];
    const broken = await brokenReward(asked);
    const examples = examplesOf('arithmetic', 3).map((example) => ({
      ...example,
      verifier: JSON.stringify({ type: 'reward-service', address: broken, reference: '', metadata: {} }),
    }));
    const alone = await end((await ask(specOf('calm-alone'))).id);
    const beside = [specOf('calm-1'), AdaptationSpec.fromPartial({ ...specOf('broken'), examples } as never)];
    const jobs = await Promise.all([...beside, specOf('calm-2')].map((spec) => ask(spec)));
    const [first, failed, second] = await Promise.all(jobs.map(({ id }) => end(id)));
    assert.equal(failed!.state, JobState.FAILED);
    assert.equal(failed!.failure?.reason, 'BAD_REWARD', failed!.failure?.message);
    assert(asked.length > 0);
    for (const calm of [first!, second!]) {
      assert.equal(calm.state, JobState.SUCCEEDED, calm.failure?.message);
      assert.deepEqual(calm.result?.candidates, alone.result?.candidates);
      assert.deepEqual(calm.result?.arms, alone.result?.arms);
      assert.equal(calm.result?.generatedTokens, alone.result?.generatedTokens);
    }
    const request = { model: 'octo-nano', name: 'broken', includeRetired: true, pageSize: 10, pageToken: '' };
    assert.equal((await registry.listExperts(request)).experts.length, 0);
  });

  test('the command goes on watching when its dispatcher dies and comes back', async () => {
    const args = ['--examples', 'models/octo-nano/tasks/arithmetic/train.jsonl', '--shots', '4'];
    const size = ['--population', '8', '--generations', '8', '--stage', 'generate', '--deploy', 'mean'];
    const adapting = home.start('dist/services/cli/main.js', [
      'adapt',
      '--name',
      'watched',
      ...args,
      ...size,
    ]);
    const giveUp = performance.now() + 30_000;
    while (!/adaptation [0-9a-f]/.test(adapting.err())) {
      assert(performance.now() < giveUp, adapting.err());
      await sleep(50);
    }
    process.kill(processOf('dispatcher').pid, 'SIGKILL');
    const { code, out, err } = await adapting.finished;
    assert.equal(code, 0, err);
    assert.match(err, /the dispatcher is away; the search [0-9a-f-]+ goes on\n(.*\n)*the dispatcher is back/);
    assert.match(out, /succeeded/);
    const nobody = await home.zmesh('adaptations', 'show', 'x', '--dispatcher', '127.0.0.1:9');
    assert.match(nobody.err, /DISPATCHER_UNAVAILABLE/);
  });

  test('a token budget or a deadline cuts a search short: it says so and names a fixed candidate', async () => {
    const budget = await end((await ask(specOf('poor', { tokenBudget: 1n }))).id);
    assert.equal(budget.state, JobState.SUCCEEDED, budget.failure?.message);
    assert.equal(budget.result?.cutShort, true);
    // With the mean deployed no search ends early, however quick the machine.
    const long = { generations: 200, population: 64, deploy: SearchDeploy.MEAN };
    const hurried = await end((await ask(specOf('hurried', long), 1)).id);
    assert.equal(hurried.state, JobState.SUCCEEDED, hurried.failure?.message);
    assert.equal(hurried.result?.cutShort, true);
  });

  test('one trace from Adapt through the queue and each wave to the published version, bounded', async () => {
    const args = ['--examples', 'models/octo-nano/tasks/arithmetic/train.jsonl', '--shots', '3'];
    // With the mean deployed no search ends early.
    const small = ['--population', '4', '--generations', '2', '--stage', 'generate', '--deploy', 'mean'];
    const adapted = await home.zmesh('adapt', '--name', 'traced', ...args, ...small);
    assert.equal(adapted.code, 0, adapted.err);
    const giveUp = performance.now() + 15_000;
    let names: string[] = [];
    let trace: StoredTrace | undefined;
    const wanted = [
      'zmesh.v1.DispatcherService/Adapt',
      'queued',
      'fixed candidates',
      'generation 1 on fold 1',
      'left out of fold 3',
      'generation 2 on all examples',
      'wave: answers',
      'choose and publish',
      'zmesh.v1.ExpertRegistryService/PublishExpert',
    ];
    do {
      const shown = await home.zmesh('trace', '--last', '--adaptation', '--json');
      assert(performance.now() < giveUp, `of the trace are there: ${names.join(', ')} ${shown.err}`);
      if (shown.code !== 0) continue;
      trace = JSON.parse(shown.out) as StoredTrace;
      names = trace.spans.map(({ name }) => name);
    } while (!wanted.every((name) => names.includes(name)));
    assert(!names.some((name) => /GenerateTokens|EncodeTokens|engine/.test(name)), 'calls have no spans');
    assert(names.includes('check examples'));
    const waves = trace!.spans.filter(({ name }) => name === 'wave: answers');
    assert(waves.every(({ attributes }) => Number(attributes['zmesh.calls']) > 0));
    const drawn = await home.zmesh('trace', '--last', '--adaptation');
    assert.match(drawn.out, /queued/);
    assert.match(drawn.out, /generation 1 on fold 1 .*4 candidates/);
  });
});
