import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import {
  type Adaptation,
  AdaptationCandidate,
  type AdaptationEvent,
  AdaptationSpec,
  JobState,
  SearchDeploy,
} from '#proto/zmesh/v1/adaptation.js';
import { GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import { ExpertKind } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { adaptationMesh, examplesOf } from '../support/adaptation-mesh.js';
import { lastFirst } from '../support/cleanup.js';

const cleanup = lastFirst({ after });
const { dispatcher, registry, processOf } = await adaptationMesh(cleanup, 2);

const specOf = (name: string, task = 'arithmetic', change: Partial<AdaptationSpec> = {}): AdaptationSpec =>
  AdaptationSpec.fromPartial({
    model: 'octo-nano',
    name,
    examples: examplesOf(task, 4),
    settings: { population: 6, generations: 2, stage: 3 },
    ...change,
  } as never);

async function run(spec: AdaptationSpec, requestId = ''): Promise<AdaptationEvent[]> {
  const events: AdaptationEvent[] = [];
  for await (const { event } of dispatcher.adapt({ requestId, spec, timeoutS: 0 })) events.push(event!);
  return events;
}

async function until(id: string, what: string, check: (job: Adaptation) => boolean): Promise<Adaptation> {
  const giveUp = performance.now() + 90_000;
  for (;;) {
    const job = await dispatcher.getAdaptation({ id }).then(
      ({ adaptation }) => adaptation!,
      (error: unknown) => {
        if (ZmeshError.from(error).code !== 'UNAVAILABLE') throw error;
        return undefined;
      },
    );
    if (job && check(job)) return job;
    assert(performance.now() < giveUp, what);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const outcomeOf = ({ result }: Adaptation) => ({
  chosen: result?.chosen,
  arms: result?.arms,
  candidates: result?.candidates.map(({ kind, expert, score }) => ({ kind, expert, score })),
});

describe('adaptations', { concurrency: 1 }, () => {
  let calm: Adaptation;

  test('solved examples become a version that requests name: accepted, progress, result', async () => {
    const events = await run(specOf('sums'), 'sums-1');
    calm = events.at(-1)!.adaptation!;
    assert.equal(calm.state, JobState.SUCCEEDED, calm.failure?.message);
    assert(events.some(({ progress }) => progress !== undefined));
    const { result } = calm;
    assert.equal(result?.chosen, AdaptationCandidate.EXPERT, result?.statement);
    assert.match(result!.arms[0]!.expert, /^octo-nano\/math@/);
    assert(result!.naiveTokens > result!.generatedTokens);
    const { expert } = await registry.getExpert({ name: 'octo-nano/sums@stable' });
    assert.equal(expert?.spec?.kind, ExpertKind.ADAPTATION);
    assert.equal(`octo-nano/sums@${expert?.version}`, result?.adaptation);
    const { record } = await registry.getExpertRecord({ name: result!.adaptation });
    const told = JSON.parse(Buffer.from(record).toString('utf8'));
    assert.equal(told.examples_sha256, calm.examplesSha256);
    const curves = Object.values<{ generations: number; curve: unknown[] }>(told.searches);
    assert.equal(curves.length, 5);
    assert(curves.every(({ generations, curve }) => generations > 0 && curve.length === generations));
    const [question] = examplesOf('arithmetic', 1);
    const { receipt } = await dispatcher.complete({
      request: GenerateRequest.fromPartial({
        model: 'octo-nano',
        prompt: { input: { $case: 'text', value: question!.prompt } },
        strategy: { kind: { $case: 'adaptation', value: { adaptation: 'sums' } } },
      }),
    });
    assert.equal(receipt?.adaptation, result?.adaptation);
    assert.equal(receipt?.arms[0]?.expert, result?.arms[0]?.expert);
  });

  test('the same request id gives the same job; the experts it uses cannot be retired', async () => {
    const again = await run(specOf('sums'), 'sums-1');
    assert.equal(again.at(-1)?.adaptation?.id, calm.id);
    const { expert } = calm.result!.arms[0]!;
    const fixed = await registry.getExpert({ name: expert });
    assert(fixed.expert!.aliases.length > 0);
    await assert.rejects(registry.retireExpert({ name: expert }), { reason: 'EXPERT_IN_USE' });
  });

  test('the same request id stays the same job when the alias that it names has moved', async () => {
    const version = calm.result!.arms[0]!.expert.split('@')[1]!;
    const alias = { model: 'octo-nano', expert: 'math', alias: 'edge' };
    await registry.setAlias({ ...alias, version });
    const spec = specOf('edgy', 'arithmetic', { experts: ['math@edge'] });
    const first = (await run(spec, 'edgy-1')).at(-1)!.adaptation!;
    assert.equal(first.state, JobState.SUCCEEDED, first.failure?.message);
    await registry.deleteAlias(alias);
    const again = (await run(spec, 'edgy-1')).at(-1)!.adaptation!;
    assert.equal(again.id, first.id);
    await assert.rejects(run({ ...spec, description: 'other' }, 'edgy-1'), { reason: 'REQUEST_CONFLICT' });
    await assert.rejects(run(spec, 'edgy-2'), { reason: 'UNKNOWN_ALIAS' });
  });

  test('a task that the base does best gets the base, and the result says so', async () => {
    const events = await run(specOf('hello', 'greeting'));
    const { result } = events.at(-1)!.adaptation!;
    assert.equal(result?.chosen, AdaptationCandidate.BASE);
    assert.deepEqual(result?.arms, []);
    assert.match(result!.statement, /^no better than base/);
  });

  test('kill -9 of trainers, inference, dispatcher, registry and nats-server: one result, the same as undisturbed', async () => {
    const spec = specOf('shaken', 'arithmetic', {
      // With the mean deployed no search ends early.
      settings: { ...specOf('x').settings!, generations: 8, population: 6, deploy: SearchDeploy.MEAN },
    });
    const undisturbed = (await run({ ...spec, name: 'still' })).at(-1)!.adaptation!;
    let id = '';
    for await (const { event } of dispatcher.adapt({ requestId: '', spec, timeoutS: 0 })) {
      id = event!.adaptation!.id;
      break;
    }
    const at = (share: number) => (job: Adaptation) => {
      assert.notEqual(job.state, JobState.SUCCEEDED, 'it was over before the next kill');
      return job.progress !== undefined && job.progress.done >= share * job.progress.total;
    };
    await until(id, 'its begin', at(0.05));
    for (const name of ['trainer', 'trainer-2']) process.kill(processOf(name).pid, 'SIGKILL');
    await until(id, 'a quarter', at(0.25));
    for (const name of ['inference', 'dispatcher']) process.kill(processOf(name).pid, 'SIGKILL');
    await until(id, 'a half', at(0.5));
    for (const name of ['expert-registry', 'nats-server']) process.kill(processOf(name).pid, 'SIGKILL');
    const over = ({ state }: Adaptation): boolean =>
      state === JobState.SUCCEEDED || state === JobState.FAILED;
    const job = await until(id, 'the end', over);
    assert.equal(job.state, JobState.SUCCEEDED, job.failure?.message);
    assert.deepEqual(outcomeOf(job), outcomeOf(undisturbed));
    const request = { model: 'octo-nano', name: 'shaken', includeRetired: true, pageSize: 10, pageToken: '' };
    assert.equal((await registry.listExperts(request)).experts.length, 1);
  });

  test('what cannot be searched for is refused at once, with its reason', async () => {
    const [first, ...rest] = examplesOf('arithmetic', 4);
    const refusals: readonly [Partial<AdaptationSpec>, string, RegExp][] = [
      [{ examples: [first!, rest[0]!] }, 'INVALID_FIELD', /3 to 64 are needed, not 2/],
      [{ examples: [first!, first!, ...rest] }, 'INVALID_FIELD', /the same id as spec.examples\[0\]/],
      [
        { examples: [{ ...first!, verifier: '{"type": "magic"}' }, ...rest] },
        'INVALID_FIELD',
        /verifier.type must be/,
      ],
      [{ examples: [{ ...first!, maxTokens: 5000 }, ...rest] }, 'CONTEXT_EXCEEDED', /holds 512/],
      [{ name: 'math' }, 'INVALID_FIELD', /is an expert already/],
      [{ experts: ['nobody'] }, 'UNKNOWN_EXPERT', /nobody/],
      [{ model: 'nobody' }, 'UNKNOWN_MODEL', /nobody/],
      [
        { settings: { ...specOf('x').settings!, population: 1, noiseFloor: 2 } },
        'INVALID_FIELD',
        /population .*noise_floor/,
      ],
    ];
    for (const [change, reason, message] of refusals)
      await assert.rejects(run(specOf('refused', 'arithmetic', change)), { reason, message });
    await assert.rejects(dispatcher.getAdaptation({ id: 'nobody' }), { reason: 'UNKNOWN_JOB' });
  });

  test('cancelled, it publishes nothing', async () => {
    let id = '';
    for await (const { event } of dispatcher.adapt({ requestId: '', spec: specOf('dropped'), timeoutS: 0 })) {
      id = event!.adaptation!.id;
      break;
    }
    await dispatcher.cancelAdaptation({ id });
    const job = await until(id, 'its end', ({ state }) => state === JobState.CANCELLED);
    assert.equal(job.result, undefined);
    await assert.rejects(registry.getExpert({ name: 'octo-nano/dropped@stable' }), {
      reason: 'UNKNOWN_EXPERT',
    });
  });
});
