import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { readRun } from '#deploy/local/run-file.js';
import { JobState } from '#proto/zmesh/v1/adaptation.js';
import { ExpertGate, ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { type Run, RunSpec, TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import { ZmeshError } from '#shared/errors.js';
import { projectRoot } from '#shared/paths.js';
import { connect } from '#shared/rpc/client.js';
import { lastFirst } from '../support/cleanup.js';
import { testHome } from '../support/mesh.js';

const cleanup = lastFirst({ after });
const home = await testHome(cleanup);
const up = await home.zmesh('up', '--detach', '--replicas', 'trainer=2');
assert.equal(up.code, 0, up.err);
cleanup.after(async () => {
  await home.zmesh('down');
});

const processes = () => readRun(home.path)?.processes ?? [];
const addressesOf = (name: string): string =>
  processes()
    .filter((one) => one.name === name || one.name.startsWith(`${name}-`))
    .map(({ address }) => address)
    .join(',');
const pidOf = (name: string): number => processes().find((one) => one.name === name)!.pid;

const trainer = connect(TrainerServiceService, {
  address: addressesOf('trainer'),
  unavailable: 'TRAINER_UNAVAILABLE',
});
cleanup.after(() => trainer.close());
const registry = connect(ExpertRegistryServiceService, {
  address: addressesOf('expert-registry'),
  unavailable: 'REGISTRY_UNAVAILABLE',
});
cleanup.after(() => registry.close());

const tasks = join(projectRoot, 'models/octo-nano/tasks');
const lines = (task: string, split: string, from: number, to: number): Uint8Array =>
  Buffer.from(
    readFileSync(join(tasks, task, `${split}.jsonl`), 'utf8')
      .split('\n')
      .slice(from, to)
      .join('\n'),
  );

/** A question whose answer is not told: something to be rewarded for, nothing to imitate. */
const UNANSWERED = Buffer.from(
  JSON.stringify({ id: 'unanswered', prompt: 'What is 1 + 1?', verifier: { type: 'number', value: '2' } }),
);

/** Where the test of the outcome does not matter it is left out: 300 questions take their time. */
const UNTESTED = { itemsMin: undefined, others: [], harmMargin: undefined, skip: true };
const TESTED: Partial<RunSpec> = {
  gate: {
    ...UNTESTED,
    others: [{ name: 'ordering', test: lines('ordering', 'test', 0, 40) }],
    skip: false,
  },
};

const specOf = (expert: string, change: Partial<RunSpec> = {}): RunSpec =>
  RunSpec.create({
    model: 'octo-nano',
    expert,
    task: {
      name: 'arithmetic',
      train: lines('arithmetic', 'train', 0, 64),
      validation: lines('arithmetic', 'val', 0, 24),
      test: lines('arithmetic', 'test', 0, 300),
    },
    algorithm: 'sep-cma-es',
    settings: { steps: '4', prompts: '8', 'validate-every': '2', 'validation-items': '24' },
    gate: UNTESTED,
    ...change,
  });

async function start(spec: RunSpec, requestId = ''): Promise<Run> {
  const { run } = await trainer.startRun({ requestId, spec });
  return run!;
}

/** A call that is made again through outages that the test makes. */
async function patiently<T>(call: () => Promise<T>): Promise<T> {
  const giveUp = performance.now() + 60_000;
  for (;;) {
    try {
      return await call();
    } catch (error) {
      const { code } = ZmeshError.from(error);
      const outage = code === 'UNAVAILABLE' || code === 'DEADLINE_EXCEEDED';
      if (!outage || performance.now() > giveUp) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** A trainer that is stopped takes calls and never answers: each has a short time, and the next goes to the other one. */
const get = (id: string): Promise<Run> =>
  patiently(async () => (await trainer.getRun({ id }, { timeoutMs: 1000 })).run!);

async function until(id: string, what: string, check: (run: Run) => boolean): Promise<Run> {
  const giveUp = performance.now() + 90_000;
  for (;;) {
    const run = await get(id);
    if (check(run)) return run;
    assert(
      performance.now() < giveUp,
      `${what}: ${JSON.stringify({ ...run, curve: run.curve.length }, bigText)}`,
    );
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const bigText = (_: string, value: unknown) => (typeof value === 'bigint' ? String(value) : value);
const isOver = ({ state }: Run): boolean =>
  state === JobState.SUCCEEDED || state === JobState.FAILED || state === JobState.CANCELLED;

async function vectorsOf(run: Run): Promise<string> {
  const { expert } = await patiently(() => registry.getExpert({ name: run.expert }));
  return expert!.vectorsSha256;
}

/** What a run is by its meaning: everything of its curve but the time it took. */
const curveOf = ({ curve }: Run) => curve.map(({ seconds, rollouts, ...step }) => step);

describe('training runs', { concurrency: 1 }, () => {
  let undisturbed: Run;

  test('a run trains, is tested on held-out questions, and is published with its record', async () => {
    const { id } = await start(specOf('calm', TESTED), 'calm-1');
    const events = [];
    for await (const { event } of trainer.watchRun({ id, afterSequence: 0n })) events.push(event!);
    assert.deepEqual(
      events.map(({ sequence }) => sequence),
      events.map((_, i) => BigInt(i + 1)),
    );
    assert.equal(events.at(-1)?.run?.state, JobState.SUCCEEDED);
    undisturbed = await get(id);
    assert.deepEqual(
      undisturbed.curve.map(({ step, validation }) => [step, validation !== undefined]),
      [
        [0, true],
        [1, false],
        [2, true],
        [3, false],
        [4, true],
      ],
    );
    assert.equal(undisturbed.gate, ExpertGate.PASSED);
    const [own, other] = undisturbed.gates;
    assert.equal(own?.items, 300);
    assert.equal(other?.task, 'ordering');
    assert.equal(other.items, 40);
    assert(own.low > 0 && own.expert > own.base, JSON.stringify(own));
    const staged = await registry.getExpert({ name: 'octo-nano/calm@staged' });
    assert.equal(`octo-nano/calm@${staged.expert?.version}`, undisturbed.expert);
    const { record } = await registry.getExpertRecord({ name: undisturbed.expert });
    const told = JSON.parse(Buffer.from(record).toString('utf8'));
    assert.equal(told.run, id);
    assert.equal(told.curve.length, 5);
  });

  test('a run that fails its test is kept and marked, and nothing routes to it, also where it was published untested before', async () => {
    // Without a learning rate no step is better than the start.
    const idle: Partial<RunSpec> = {
      algorithm: 'next-token',
      settings: { steps: '1', prompts: '8', 'learning-rate': '0', 'validation-items': '24' },
    };
    const published = async (gate: RunSpec['gate']) => {
      const { id } = await start(specOf('idle', { ...idle, gate }));
      const run = await until(id, 'the end', isOver);
      assert.equal(run.state, JobState.SUCCEEDED, run.failure?.message);
      const { expert } = await registry.getExpert({ name: run.expert });
      return { run, expert: expert! };
    };
    const untested = await published(UNTESTED);
    assert.equal(untested.expert.gate, ExpertGate.UNSPECIFIED);
    assert.equal(untested.expert.spec?.metadata.tested, 'no');
    const failed = await published({ ...UNTESTED, skip: false });
    assert.equal(failed.run.gate, ExpertGate.FAILED);
    assert.match(failed.run.gateFailures.join(), /nothing trained was kept/);
    assert.equal(failed.expert.vectorsSha256, untested.expert.vectorsSha256);
    assert.equal(failed.expert.gate, ExpertGate.FAILED);
    assert.deepEqual(failed.expert.aliases, []);
    for (const alias of ['staged', 'stable'])
      await assert.rejects(
        registry.setAlias({ model: 'octo-nano', expert: 'idle', alias, version: failed.expert.version }),
        { reason: 'GATE_FAILED' },
      );
    const { record } = await registry.getExpertRecord({ name: failed.run.expert });
    const [own] = JSON.parse(Buffer.from(record).toString('utf8')).comparisons;
    assert.deepEqual([own.task, own.items, own.harm], ['arithmetic', 300, false]);
  });

  test('the same request id gives the same run, and another request under it is refused', async () => {
    const again = await start(specOf('calm', TESTED), 'calm-1');
    assert.equal(again.id, undisturbed.id);
    assert.equal(again.expert, undisturbed.expert);
    await assert.rejects(start(specOf('other'), 'calm-1'), { reason: 'REQUEST_CONFLICT' });
  });

  test('rollouts are read with their rewards', async () => {
    const answers = [];
    for await (const answer of trainer.listRollouts({ id: undisturbed.id, step: 0 })) answers.push(answer);
    assert(answers.length > 0);
    assert(answers.every(({ step, reward }) => step === 4 && Math.abs(reward) <= 1));
    await assert.rejects(
      async () => {
        for await (const _ of trainer.listRollouts({ id: undisturbed.id, step: 99 }));
      },
      { reason: 'INVALID_FIELD' },
    );
  });

  test('kill -9 of trainers, inference and nats-server: the run ends as an undisturbed one, bit for bit', async () => {
    const { id } = await start(specOf('shaken'));
    await until(id, 'the first step', ({ curve }) => curve.some(({ step }) => step === 1));
    for (const name of ['trainer', 'trainer-2']) process.kill(pidOf(name), 'SIGKILL');
    await until(id, 'the second step', ({ curve }) => curve.some(({ step }) => step === 2));
    process.kill(pidOf('inference'), 'SIGKILL');
    await until(id, 'the third step', ({ curve }) => curve.some(({ step }) => step === 3));
    process.kill(pidOf('nats-server'), 'SIGKILL');
    const run = await until(id, 'the end', isOver);
    assert.equal(run.state, JobState.SUCCEEDED, run.failure?.message);
    assert(run.attempts > 1);
    assert.deepEqual(curveOf(run), curveOf(undisturbed));
    assert.equal(await vectorsOf(run), await vectorsOf(undisturbed));
  });

  test('a trainer that is stopped past its lease has its writes refused when it wakes up', async () => {
    const { id } = await start(specOf('frozen'));
    const running = await until(id, 'the first step', ({ curve }) => curve.some(({ step }) => step === 1));
    const pid = Number(running.trainer.split('-').at(-2));
    process.kill(pid, 'SIGSTOP');
    const taken = await until(id, 'another trainer', ({ attempts }) => attempts === 2);
    assert.notEqual(taken.trainer, running.trainer);
    process.kill(pid, 'SIGCONT');
    const run = await until(id, 'the end', isOver);
    assert.equal(run.state, JobState.SUCCEEDED, run.failure?.message);
    assert.equal(run.attempts, 2);
    assert.deepEqual(curveOf(run), curveOf(undisturbed));
    assert.equal(await vectorsOf(run), await vectorsOf(undisturbed));
  });

  test('pause keeps the progress, resume goes on with it, cancel ends for good', async () => {
    const { id } = await start(specOf('paused'));
    await until(id, 'the first step', ({ curve }) => curve.some(({ step }) => step >= 1));
    await trainer.pauseRun({ id });
    const paused = await until(id, 'the pause', ({ state }) => state === JobState.PAUSED);
    const steps = paused.curve.length;
    await new Promise((resolve) => setTimeout(resolve, 1500));
    assert.equal((await get(id)).curve.length, steps);
    await trainer.resumeRun({ id });
    const run = await until(id, 'the end', isOver);
    assert.equal(run.state, JobState.SUCCEEDED);
    assert.equal(await vectorsOf(run), await vectorsOf(undisturbed));
    await assert.rejects(trainer.pauseRun({ id }), { reason: 'JOB_STATE' });

    const other = await start(specOf('cancelled'));
    await until(other.id, 'its begin', ({ state }) => state === JobState.RUNNING);
    await trainer.cancelRun({ id: other.id });
    const cancelled = await until(other.id, 'its end', isOver);
    assert.equal(cancelled.state, JobState.CANCELLED);
    assert.equal(cancelled.expert, '');
    assert.equal((await trainer.cancelRun({ id: other.id })).run?.state, JobState.CANCELLED);
  });

  test('what cannot be trained is refused at once, with its reason', async () => {
    const refusals: readonly [Partial<RunSpec>, string][] = [
      [{ task: undefined }, 'MISSING_FIELD'],
      [{ expert: 'Bad Name' }, 'INVALID_FIELD'],
      [{ gate: { ...UNTESTED, itemsMin: 299, skip: false } }, 'INVALID_FIELD'],
      [{ model: 'nobody' }, 'UNKNOWN_MODEL'],
      [{ algorithm: 'magic' }, 'INVALID_FIELD'],
      [{ preset: 'magic' }, 'INVALID_FIELD'],
      [{ settings: { steps: '0', population: 'x' } }, 'INVALID_FIELD'],
      [{ algorithm: 'next-token', task: { ...specOf('x').task!, train: UNANSWERED } }, 'INVALID_FIELD'],
      [{ settings: { matrices: 'no.such.weight' } }, 'UNKNOWN_MATRIX'],
      [{ task: { ...specOf('x').task!, test: specOf('x').task!.train } }, 'INVALID_FIELD'],
    ];
    for (const [change, reason] of refusals)
      await assert.rejects(start(specOf('refused', change)), { reason }, JSON.stringify(Object.keys(change)));
    await assert.rejects(trainer.getRun({ id: 'nobody' }), { reason: 'UNKNOWN_JOB' });
  });
});
