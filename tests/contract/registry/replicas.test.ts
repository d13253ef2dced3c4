import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import type { ZmeshError } from '#shared/errors.js';
import { lastFirst } from '../../support/cleanup.js';
import { withNats } from '../../support/nats.js';
import { published, type RegistryClient, spec, startRegistry, toyModel, vectors } from './fixture.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);
const left = await startRegistry(nats.url);
cleanup.after(left.stop);
const right = await startRegistry(nats.url);
cleanup.after(right.stop);
await left.client.publishModel({ model: toyModel() });
await right.registry.view.reached(1, 5000);

describe('two replicas', () => {
  test('of racing compare-and-set moves exactly one wins each round', async () => {
    const versions = [
      await published(left.client, 1),
      await published(left.client, 2),
      await published(left.client, 3),
    ];
    await right.registry.view.reached(left.registry.view.revision, 5000);
    const set = (client: RegistryClient, version: string, expectedVersion: string) =>
      client.setAlias({ model: 'toy', expert: 'math', alias: 'stable', version, expectedVersion }).then(
        () => version,
        (error: ZmeshError) => {
          assert.equal(error.reason, 'ALIAS_CONFLICT', error.message);
          return undefined;
        },
      );
    let current = '';
    for (let round = 0; round < 100; round += 1) {
      const targets = versions.filter((version) => version !== current);
      const outcomes = await Promise.all([
        set(left.client, targets[0]!, current),
        set(right.client, targets[1]!, current),
      ]);
      const winners = outcomes.filter((outcome) => outcome !== undefined);
      assert.equal(winners.length, 1, `round ${round}: ${outcomes.join()}`);
      current = winners[0]!;
    }
    const head = Math.max(left.registry.view.revision, right.registry.view.revision);
    for (const { registry, client } of [left, right]) {
      await registry.view.reached(head, 5000);
      assert.equal((await client.getExpert({ name: 'toy/math@stable' })).expert!.version, current);
    }
  });

  test('what one replica wrote it reads at once; both publish the same content as one version', async () => {
    const same = { spec: spec({ name: 'twice' }), vectors: vectors(7), alias: '' };
    const answers = await Promise.all([left.client.publishExpert(same), right.client.publishExpert(same)]);
    assert.deepEqual(answers.map((answer) => answer.created).sort(), [false, true]);
    assert.equal(answers[0].expert!.version, answers[1].expert!.version);
    assert.deepEqual(answers[0].expert, answers[1].expert);
  });

  test('a version is never both retired and under an alias, whoever was first', async () => {
    for (let round = 0; round < 30; round += 1) {
      const name = `race${round}`;
      const version = await published(left.client, 1, { name });
      await right.registry.view.reached(left.registry.view.revision, 5000);
      const outcomes = await Promise.allSettled([
        left.client.retireExpert({ name: `toy/${name}@${version}` }),
        right.client.setAlias({ model: 'toy', expert: name, alias: 'stable', version, expectedVersion: '' }),
      ]);
      assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1);
      await left.registry.view.reached(right.registry.view.revision, 5000);
      const { expert } = await left.client.getExpert({ name: `toy/${name}@${version}` });
      assert.notEqual(expert!.retired, expert!.aliases.length > 0);
    }
  });

  test('publishing different σ of one model on both keeps those of both', async () => {
    const half = (index: number) => {
      const model = toyModel({ name: 'halves' });
      model.matrices = model.matrices.map((matrix, i) =>
        i === index ? matrix : { ...matrix, singularValues: new Uint8Array() },
      );
      return model;
    };
    await Promise.all([
      left.client.publishModel({ model: half(0) }),
      right.client.publishModel({ model: half(1) }),
    ]);
    const head = Math.max(left.registry.view.revision, right.registry.view.revision);
    await left.registry.view.reached(head, 5000);
    assert.deepEqual((await left.client.getModel({ name: 'halves' })).model, toyModel({ name: 'halves' }));
  });
});
