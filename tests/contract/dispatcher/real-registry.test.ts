import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import { ExpertKind } from '#proto/zmesh/v1/expert_registry.js';
import { loadConfig } from '#services/dispatcher/config.js';
import { startDispatcher } from '#services/dispatcher/server.js';
import { createLog } from '#shared/log.js';
import { connect } from '#shared/rpc/client.js';
import { lastFirst } from '../../support/cleanup.js';
import { fakeModel, startFakeInference } from '../../support/fake-inference.js';
import { withNats } from '../../support/nats.js';
import { BASIS, FINGERPRINT, published, startRegistry, toyModel } from '../registry/fixture.js';
import { AUTO, ask, eventually, refused } from './harness.js';

const cleanup = lastFirst({ after });
const nats = await withNats(cleanup);

test('the dispatcher follows a real registry: publish, route, move, remove, retire', async () => {
  const registry = await startRegistry(nats.url);
  cleanup.after(registry.stop);
  const inference = await startFakeInference();
  cleanup.after(inference.stop);
  inference.models = [fakeModel('toy', { fingerprint: FINGERPRINT, basisId: BASIS })];
  inference.likelihood = (label) => (label === 'math' ? 0 : -9);
  await registry.client.publishModel({ model: toyModel() });
  const first = await published(registry.client, 1, {}, 'stable');
  const log = createLog('dispatcher', { ZMESH_LOG_LEVEL: 'silent' });
  const dispatcher = await startDispatcher(
    loadConfig({ ZMESH_INFERENCE_ADDRESS: inference.address, ZMESH_REGISTRY_ADDRESS: registry.address }),
    log,
  );
  cleanup.after(dispatcher.drain);
  const client = connect(DispatcherServiceService, { address: dispatcher.address, unavailable: 'INTERNAL' });
  cleanup.after(async () => client.close());
  const auto = async () => (await client.complete({ request: ask(AUTO) })).receipt;
  const expert = (name: string) =>
    client.complete({ request: ask({ $case: 'expert', value: { expert: name } }) });

  const routed = await auto();
  assert.equal(routed?.strategyUsed, 'prompt');
  assert.equal(routed.arms[0]?.expert, `toy/math@${first}`);
  assert.equal(routed.registryAgeS, 0);

  for (let seed = 2; seed < 12; seed++) {
    const version = await published(registry.client, seed, { name: 'fresh', label: '' });
    const { receipt } = await expert(`fresh@${version.slice(0, 16)}`);
    assert.equal(receipt?.arms[0]?.expert, `toy/fresh@${version}`, 'a version can be asked for at once');
  }

  const second = await published(registry.client, 20);
  await registry.client.setAlias({
    model: 'toy',
    expert: 'math',
    alias: 'stable',
    version: second,
    expectedVersion: first,
  });
  await eventually(
    'the moved alias is used',
    async () => (await auto())?.arms[0]?.expert === `toy/math@${second}`,
  );

  await published(registry.client, 21, { name: 'judge', kind: ExpertKind.CLASSIFIER, label: '' }, 'stable');
  await eventually(
    'the classification expert is used',
    async () => (await auto())?.strategyUsed === 'classifier',
  );

  await registry.client.retireExpert({ name: `toy/math@${first}` });
  await eventually('the retired version is refused', () =>
    expert(`math@${first}`).then(
      () => false,
      () => true,
    ),
  );
  await refused(
    expert(`math@${first}`),
    'FAILED_PRECONDITION',
    'EXPERT_RETIRED',
    `toy/math@${first} was retired`,
  );

  await registry.client.deleteAlias({
    model: 'toy',
    expert: 'math',
    alias: 'stable',
    expectedVersion: second,
  });
  await eventually('nothing is routed', async () => (await auto())?.strategyUsed === 'none');
  await refused(expert('math'), 'NOT_FOUND', 'UNKNOWN_ALIAS', /stable/);
});
