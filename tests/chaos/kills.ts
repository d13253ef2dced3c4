import { setTimeout as sleep } from 'node:timers/promises';
import { random } from '../hostile/random.js';
import { type ChaosMesh, KINDS, type Kind, type MeshProcess } from './chaos-mesh.js';
import { failures, type Load, startLoad } from './load.js';
import { lostPublishes, startPublishing } from './publishing.js';
import type { Question } from './questions.js';
import type { Report } from './report.js';
import { longAnswer, openStream, type Stream } from './streams.js';
import { SMALL_SEARCH, startThroughOutages, untilOver } from './trainer-jobs.js';

/** What the kills need. */
export interface KillOptions {
  readonly mesh: ChaosMesh;
  readonly questions: readonly Question[];
  readonly seed: number;
  /** How often each kind of process is killed. */
  readonly rounds: number;
  readonly report: Report;
}

const CALLERS = 8;
const LONG_STREAMS = 6;
/** Most random part of the wait before a kill. */
const BEFORE_MS = 1500;
/** Most random part of the time that the long streams have before it: they take longer. */
const STREAMING_MS = 150;
/** How long the load goes on when the victim is back. */
const AFTER_MS = 1500;
const READY_LIMIT_MS = 30_000;

/** Until a search that a kill disturbed is over: a lease and the queue's patience come on top of it. */
const SEARCH_LIMIT_MS = 180_000;

/** Reasons with which requests may fail while a process of a kind is dead. Registry, trainers and NATS are not asked to serve. */
const ALLOWED: Readonly<Record<Kind, readonly string[]>> = {
  dispatcher: ['DISPATCHER_UNAVAILABLE'],
  inference: ['ENGINE_STOPPED'],
  'expert-registry': [],
  trainer: [],
  'nats-server': [],
};

/**
 * Kills every kind of process under load, one after another, and looks at who noticed. A search is at work at each kill: it must
 * end as an undisturbed one does, whoever died.
 */
export async function killUnderLoad(options: KillOptions): Promise<void> {
  const { mesh, questions, seed, rounds, report } = options;
  const choices = random(seed, 'kills');
  const numbers = Array.from({ length: LONG_STREAMS }, (_, i) => i);
  const expected = await Promise.all(numbers.map((number) => longAnswer(mesh.dispatcher, number)));
  const calm = await search(mesh, 'calm');
  const publishing = await startPublishing(mesh.registry);
  try {
    for (let round = 0; round < rounds; round += 1) {
      for (const kind of KINDS) {
        const load = startLoad({
          client: mesh.dispatcher,
          questions,
          random: random(seed, 'load', round, kind),
          callers: CALLERS,
        });
        const searching = search(mesh, `${kind}-${round}`).catch((error: Error) => error.message);
        await sleep(choices.below(BEFORE_MS));
        const dispatchers = mesh.processes('dispatcher');
        const streams = numbers.map((number) => {
          const { address } = dispatchers[number % dispatchers.length]!;
          return openStream(mesh.dispatcherAt(address), {
            number,
            through: address,
            expected: expected[number]!,
          });
        });
        await untilRunning(streams);
        await sleep(choices.below(STREAMING_MS));
        const victim = choices.pick(mesh.processes(kind));
        await killOne({ kind, victim, mesh, load, streams, report });
        const found = await searching;
        report.check(found === calm, `kill -9 ${victim.name}: the search ended with ${found}, not ${calm}`);
      }
    }
  } finally {
    await publishing.stop();
  }
  const { acknowledged, refusals } = publishing;
  report.say(
    `${acknowledged.size} publishes were acknowledged, ${refusals.length} refused (${[...new Set(refusals)].join(', ') || 'none'})`,
  );
  report.check(
    acknowledged.size > rounds * KINDS.length,
    `only ${acknowledged.size} publishes were acknowledged`,
  );
  for (const refusal of new Set(refusals))
    report.check(
      refusal === 'REGISTRY_UNAVAILABLE' || refusal === 'DEADLINE',
      `a publish was refused with ${refusal}`,
    );
  for (const fault of await lostPublishes(mesh.registry, acknowledged)) report.fault(fault);
}

/** The outcome of a small search. */
async function search({ trainer }: ChaosMesh, requestId: string): Promise<string> {
  const id = await startThroughOutages(SMALL_SEARCH, trainer, requestId, SEARCH_LIMIT_MS);
  return untilOver(SMALL_SEARCH, trainer, id, SEARCH_LIMIT_MS);
}

async function untilRunning(streams: readonly Stream[]): Promise<void> {
  const giveUp = performance.now() + READY_LIMIT_MS;
  while (!streams.every(({ tokens }) => tokens.length > 0) && performance.now() < giveUp) await sleep(5);
}

interface OneKill {
  readonly kind: Kind;
  readonly victim: MeshProcess;
  readonly mesh: ChaosMesh;
  readonly load: Load;
  readonly streams: readonly Stream[];
  readonly report: Report;
}

async function killOne({ kind, victim, mesh, load, streams, report }: OneKill): Promise<void> {
  const killedMs = performance.now();
  const successor = await mesh.kill(victim);
  const startedMs = performance.now();
  await untilAnswering(kind, successor, mesh);
  const backMs = performance.now();
  await sleep(AFTER_MS);
  await load.stop();
  const ends = await Promise.all(streams.map(({ ended }) => ended));

  const after = load.outcomes.filter(({ endMs }) => endMs >= killedMs);
  const failed = after.filter(({ reason }) => reason !== undefined);
  const firstMs = after.find(({ startMs, reason }) => startMs >= killedMs && !reason)?.endMs ?? Number.NaN;
  const lastFailureMs = Math.max(killedMs, ...failed.map(({ endMs }) => endMs));
  const broken = ends.filter(({ reason }) => reason !== undefined).length;
  const ms = (until: number): string => `${Math.round(until - killedMs)} ms`;
  report.say(
    `kill -9 ${victim.name}: started again after ${ms(startedMs)}, answers after ${ms(backMs)}; ` +
      `first request asked and answered after ${ms(firstMs)}, last failure after ${ms(lastFailureMs)}; ` +
      `${failed.length} of ${after.length} requests failed (${failures(failed)}), ${broken} of ${ends.length} streams`,
  );
  const what = `kill -9 ${victim.name}`;
  for (const wrong of load.wrong) report.fault(`${what}: wrong answer: ${wrong}`);
  for (const { fault } of ends) if (fault) report.fault(`${what}: ${fault}`);
  for (const { reason } of [...failed, ...ends])
    report.check(reason === undefined || ALLOWED[kind].includes(reason), `${what}: somebody got ${reason}`);
  report.check(
    failed.length <= 2 * CALLERS,
    `${what}: ${failed.length} requests failed, at most ${2 * CALLERS} were on it`,
  );
  report.check(Number.isFinite(firstMs), `${what}: nothing was answered afterwards`);
  if (kind === 'dispatcher')
    for (const [i, { reason }] of ends.entries())
      report.check(
        !reason || streams[i]!.through === victim.address,
        `${what}: stream ${i} on another dispatcher got ${reason}`,
      );
  report.check(broken < ends.length, `${what}: every stream broke`);
}

/** Until the successor itself does what it is there for. */
async function untilAnswering(kind: Kind, { address }: MeshProcess, mesh: ChaosMesh): Promise<void> {
  const giveUp = performance.now() + READY_LIMIT_MS;
  const probe: Record<Kind, () => Promise<unknown>> = {
    dispatcher: () => mesh.dispatcherAt(address).listModels({}, { timeoutMs: 1000 }),
    inference: () => mesh.inferenceAt(address).listServedModels({}, { timeoutMs: 1000 }),
    'expert-registry': () => mesh.registryAt(address).getModel({ name: 'octo-nano' }, { timeoutMs: 1000 }),
    trainer: () =>
      mesh
        .trainerAt(address)
        .listRuns({ model: '', expert: '', pageSize: 1, pageToken: '' }, { timeoutMs: 1000 }),
    'nats-server': () => mesh.registry.getModel({ name: 'octo-nano' }, { timeoutMs: 1000 }),
  };
  for (;;) {
    try {
      await probe[kind]();
      return;
    } catch (error) {
      if (performance.now() > giveUp) throw error;
      await sleep(20);
    }
  }
}
