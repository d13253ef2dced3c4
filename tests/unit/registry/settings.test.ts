import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SETTINGS } from '#services/expert-registry/config.js';
import { describeSettings, loadSettings } from '#shared/config.js';

test("the registry's settings, their defaults and ranges", () => {
  const rows = describeSettings(SETTINGS).map(({ env, default: value, range }) => [env, value, range]);
  assert.deepEqual(rows, [
    ['ZMESH_REGISTRY_HOST', '127.0.0.1', 'text'],
    ['ZMESH_REGISTRY_PORT', '0', 'integer, 0 to 65535'],
    ['ZMESH_REGISTRY_HTTP_PORT', '-1', 'integer, -1 to 65535'],
    ['ZMESH_NATS_URL', 'nats://127.0.0.1:4222', 'NATS URLs'],
    ['ZMESH_NATS_REPLICAS', '1', 'integer, 1 to 5'],
    ['ZMESH_REGISTRY_MAX_VECTORS_BYTES', '62914560', 'integer, 1024 to 62914560'],
    ['ZMESH_REGISTRY_RETIRED_DAYS', '0', 'integer, 0 to 36500'],
    ['ZMESH_REGISTRY_ORPHAN_HOURS', '24', 'integer, 0 to 87600'],
    ['ZMESH_REGISTRY_GC_MINUTES', '60', 'integer, 1 to 10080'],
    ['ZMESH_REGISTRY_GC_DRY_RUN', 'false', 'true | false'],
    ['ZMESH_REGISTRY_DRAIN_MS', '3000', 'integer, 0 to 600000'],
  ]);
  assert.equal(loadSettings(SETTINGS, {}).maxVectorsBytes, 60 * 1024 * 1024);
});
