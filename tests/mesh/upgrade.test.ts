/** Two versions in one mesh: a next version is built from these sources, with a contract that grew, and rolled in and out. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { AdaptationSpec, JobState } from '#proto/zmesh/v1/adaptation.js';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import { GenerateRequest } from '#proto/zmesh/v1/dispatcher.js';
import { ExpertKind, type ExpertSpec } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import { projectRoot } from '#shared/paths.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { readVectors, writeVectors } from '#shared/svf/vectors.js';
import { failures, startLoad } from '../chaos/load.js';
import { askUndisturbed, USUAL } from '../chaos/questions.js';
import { random } from '../hostile/random.js';
import { examplesOf } from '../support/adaptation-mesh.js';
import { lastFirst } from '../support/cleanup.js';
import { eventually } from '../support/mesh.js';
import { type MixedMesh, SERVICES, startMixedMesh } from '../upgrade/mixed-mesh.js';
import { buildNextVersion } from '../upgrade/next-version.js';

type Registry = ReturnType<MixedMesh['registryAt']>;

const CALLERS = 2;
const cleanup = lastFirst({ after });
const [next, mesh] = await Promise.all([buildNextVersion(cleanup), startMixedMesh(cleanup)]);
const questions = await askUndisturbed(mesh.dispatcher, USUAL, 12);
const multipliers = readVectors(await readFile(join(EMBEDDED_FOLDER, 'experts/math.safetensors')));
const { model } = await mesh.registryAt(0).getModel({ name: EMBEDDED_MODEL });

const specOf = (name: string): ExpertSpec => ({
  model: EMBEDDED_MODEL,
  name,
  basisId: model!.basisId,
  normalisation: Normalisation.NONE,
  kind: ExpertKind.TASK,
  label: '',
  description: '',
  metadata: {},
  mixture: undefined,
  categories: [],
});

async function publish(registry: Registry, spec: ExpertSpec): Promise<string> {
  const answer = await registry.publishExpert({ spec, vectors: writeVectors(multipliers), alias: 'edge' });
  return answer.expert!.version;
}

const askUnder = (
  dispatcher: MixedMesh['dispatcher'],
  expert: string,
  { temperature = 0, number = 1 } = {},
) =>
  dispatcher.complete(
    {
      request: GenerateRequest.fromPartial({
        model: EMBEDDED_MODEL,
        prompt: { input: { $case: 'text', value: `Mia has ${number} cards. How many now?` } },
        sampling: { temperature, maxTokens: 8, seed: 1n },
        strategy: { kind: { $case: 'expert', value: { expert } } },
      }),
    },
    { timeoutMs: 30_000 },
  );

const search = (name: string): AdaptationSpec =>
  AdaptationSpec.fromPartial({
    model: EMBEDDED_MODEL,
    name,
    examples: examplesOf('arithmetic', 4),
    settings: { population: 4, generations: 2, stage: 3 },
  } as never);

/** Waits for the end of a search that a trainer of any version may work on. */
async function untilOver(trainer: ReturnType<MixedMesh['trainerAt']>, id: string): Promise<JobState> {
  let state: JobState = JobState.QUEUED;
  await eventually(
    `the end of ${id}`,
    async () => {
      const { adaptation } = await trainer.getSearch({ id });
      state = adaptation!.state;
      return [JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED].includes(state as never);
    },
    90_000,
  );
  return state;
}

/** A client of the next version's registry that speaks its contract. */
async function nextRegistry(address: string): Promise<Registry> {
  const contract = await import(pathToFileURL(join(next, 'dist/proto/gen/zmesh/v1/expert_registry.js')).href);
  const client = connect(contract.ExpertRegistryServiceService, {
    address,
    unavailable: 'REGISTRY_UNAVAILABLE',
  });
  cleanup.after(() => client.close());
  return client as RpcClient<never> as Registry;
}

const reasonOf = (call: Promise<unknown>): Promise<ZmeshError> =>
  call.then(
    () => assert.fail('it was answered'),
    (error: unknown) => ZmeshError.from(error),
  );

describe('a rolling upgrade to a version with a larger contract', { concurrency: false }, () => {
  const load = startLoad({
    client: mesh.dispatcher,
    questions,
    random: random(1, 'upgrade'),
    callers: CALLERS,
    timeoutMs: 60_000,
  });
  cleanup.after(() => load.stop());
  const unharmed = (): void => {
    const failed = load.outcomes.filter(({ reason }) => reason !== undefined);
    assert.equal(failures(failed), 'none');
    assert.deepEqual(load.wrong, []);
  };
  const older = {
    registry: mesh.registryAt(1),
    trainer: mesh.trainerAt(1),
    dispatcher: mesh.dispatcherAt(1),
  };
  const newer = {
    registry: mesh.registryAt(0),
    trainer: mesh.trainerAt(0),
    dispatcher: mesh.dispatcherAt(0),
  };

  test('the first process of each service is replaced under load and nobody notices, nor does a search that is at work', async () => {
    const { adaptation } = await older.trainer.startSearch({
      requestId: 'begun-before',
      spec: search('begun-before'),
      timeoutS: 0,
    });
    for (const service of SERVICES) await mesh.replace(service, 0, next);
    assert.equal(await untilOver(older.trainer, adaptation!.id), JobState.SUCCEEDED);
    unharmed();
  });

  test('what either version wrote the other reads: experts, aliases, jobs', async () => {
    const [fromOlder, fromNewer] = await Promise.all([
      publish(older.registry, specOf('from-older')),
      publish(newer.registry, specOf('from-newer')),
    ]);
    for (const registry of [older.registry, newer.registry])
      for (const [name, version] of [
        ['from-older', fromOlder],
        ['from-newer', fromNewer],
      ] as const) {
        await eventually(`${name} is seen`, async () =>
          registry.getExpert({ name: `${EMBEDDED_MODEL}/${name}@edge` }).then(
            ({ expert }) => expert?.version === version,
            () => false,
          ),
        );
      }
    for (const dispatcher of [older.dispatcher, newer.dispatcher])
      for (const name of ['from-older', 'from-newer']) {
        const { receipt } = await askUnder(dispatcher, `${name}@edge`);
        assert.equal(receipt?.arms.length, 1);
      }
    const { adaptation } = await newer.trainer.startSearch({
      requestId: 'of-newer',
      spec: search('of-newer'),
      timeoutS: 0,
    });
    assert.equal(await untilOver(newer.trainer, adaptation!.id), JobState.SUCCEEDED);
    await eventually('the older trainer shows it', async () => {
      const found = await older.trainer.getSearch({ id: adaptation!.id });
      return found.adaptation?.state === JobState.SUCCEEDED;
    });
    unharmed();
  });

  test('an expert with what only the next version knows: older processes refuse it with FORMAT_NEWER, the mesh answers', async () => {
    const registry = await nextRegistry(mesh.address('expert-registry', 0));
    const version = await publish(registry, { ...specOf('moody'), mood: 'glad' } as ExpertSpec);
    const name = `${EMBEDDED_MODEL}/moody@${version}`;
    await eventually('the older registry has seen the record', async () => {
      const { reason } = await reasonOf(older.registry.getExpert({ name }));
      return reason === 'FORMAT_NEWER';
    });
    const refused = await reasonOf(older.registry.getExpertVectors({ name }));
    assert.deepEqual([refused.reason, refused.code], ['FORMAT_NEWER', 'UNAVAILABLE']);
    assert.match(refused.message, /was written by a newer registry .*ask that, or upgrade this one/);
    // Through either dispatcher, whatever replicas they come to first.
    for (const dispatcher of [newer.dispatcher, older.dispatcher, newer.dispatcher, older.dispatcher]) {
      const { receipt } = await askUnder(dispatcher, `moody@${version}`);
      assert.deepEqual(
        receipt?.arms.map(({ expert }) => expert),
        [name],
      );
    }
    unharmed();
  });

  test('a job that only newer trainers understand waits for one; the older ones say why they do not show it', async () => {
    const { adaptation } = await newer.trainer.startSearch({
      requestId: 'tomorrow-1',
      spec: search('tomorrow'),
      timeoutS: 0,
    });
    const { id } = adaptation!;
    await eventually('the older trainer has seen the record', async () => {
      const { reason } = await reasonOf(older.trainer.getSearch({ id }));
      return reason === 'FORMAT_NEWER';
    });
    const refused = await reasonOf(older.trainer.getSearch({ id }));
    assert.match(refused.message, /has format 2, this trainer knows 1/);
    assert.equal(await untilOver(newer.trainer, id), JobState.SUCCEEDED);
    unharmed();
  });

  test("a newer replica's reason comes through an older dispatcher as it is, with its code", async () => {
    // So many conversations that some come to the newer replica.
    const errors = await Promise.all(
      Array.from({ length: 16 }, (_, number) =>
        askUnder(older.dispatcher, 'math@stable', { temperature: 99, number }).then(
          () => undefined,
          ZmeshError.from,
        ),
      ),
    );
    const told = errors.find((error) => error !== undefined);
    assert.deepEqual(
      [told?.reason as string, told?.code, told?.limit],
      ['FROM_TOMORROW', 'FAILED_PRECONDITION', '98'],
    );
  });

  test('the others follow, and one of each is taken back: no request failed, no answer was another one', async () => {
    for (const service of SERVICES) await mesh.replace(service, 1, next);
    const before = load.outcomes.length;
    for (const service of SERVICES) await mesh.replace(service, 0, projectRoot);
    const registry = mesh.registryAt(0);
    for (const name of ['from-older@edge', 'from-newer@edge', 'math@stable'])
      assert.ok((await registry.getExpert({ name: `${EMBEDDED_MODEL}/${name}` })).expert);
    const { reason } = await reasonOf(registry.getExpert({ name: `${EMBEDDED_MODEL}/moody@edge` }));
    assert.equal(reason, 'FORMAT_NEWER');
    await eventually('the load goes on', () => load.outcomes.length > before + CALLERS);
    await load.stop();
    unharmed();
    assert.ok(load.outcomes.length > questions.length, `only ${load.outcomes.length} requests were made`);
  });
});
