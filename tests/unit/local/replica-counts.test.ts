import assert from 'node:assert/strict';
import { test } from 'node:test';
import { replicaCounts } from '#deploy/local/replica-counts.js';

test('counts of replicas: one each unless named', () => {
  assert.deepEqual(replicaCounts([], 'X'), { registry: 1, inference: 1, dispatcher: 1, trainer: 1 });
  assert.deepEqual(replicaCounts(['inference=3', 'registry=2'], 'X'), {
    registry: 2,
    inference: 3,
    dispatcher: 1,
    trainer: 1,
  });
});

test('other services and numbers are refused, all at once', () => {
  const bad = ['nats=2', 'inference=0', 'dispatcher=17', 'inference', 'toString=2'];
  assert.throws(
    () => replicaCounts(bad, 'ZMESH_REPLICAS'),
    ({ faults }: { faults: string[] }) => {
      assert.equal(faults.length, bad.length);
      assert.match(
        faults[0]!,
        /^ZMESH_REPLICAS: "nats=2" is not one of registry, inference, dispatcher, trainer with a number, 1 to 16/,
      );
      return true;
    },
  );
});
