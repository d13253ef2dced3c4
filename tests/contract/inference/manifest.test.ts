import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ExpertRegistryServiceService, type ModelManifest } from '#proto/zmesh/v1/expert_registry.js';
import type { LoadedModel } from '#services/inference/load-model.js';
import { publishManifest } from '#services/inference/publish-manifest.js';
import { ZmeshError } from '#shared/errors.js';
import { createLog } from '#shared/log.js';
import { bind, type Handlers } from '#shared/rpc/bind.js';
import { connect } from '#shared/rpc/client.js';
import { type RpcServer, serve } from '#shared/rpc/server.js';
import { fakePrepared } from '../../support/fake-engine.js';

const log = createLog('test', { ZMESH_LOG_LEVEL: 'silent' });
const model = {
  prepared: fakePrepared(),
  sigma: new Map([['w', Float64Array.of(2.5)]]),
} as unknown as LoadedModel;

/** A registry that can do one thing. */
function serveRegistry(port: number, publish: (manifest: ModelManifest) => void): Promise<RpcServer> {
  const { publishModel } = ExpertRegistryServiceService;
  const handlers: Handlers<{ publishModel: typeof publishModel }> = {
    publishModel: async (request) => {
      publish(request.model!);
      return { created: true };
    },
  };
  return serve({ host: '127.0.0.1', port, services: [bind({ publishModel }, handlers)], log });
}

test('a manifest is published when the registry comes, and the service did not wait for it', async () => {
  const first = await serveRegistry(0, () => {});
  await first.drain(100);
  const registry = connect(ExpertRegistryServiceService, {
    address: first.address,
    unavailable: 'REGISTRY_UNAVAILABLE',
  });
  const ending = new AbortController();
  await publishManifest(registry, model, { log, signal: ending.signal });
  let second: RpcServer | undefined;
  const manifest = await new Promise<ModelManifest>((resolve, reject) => {
    serveRegistry(first.port, resolve).then((server) => {
      second = server;
    }, reject);
  });
  assert.deepEqual([manifest.name, manifest.basisId], ['fake', fakePrepared().basisId]);
  assert.equal(Buffer.from(manifest.matrices[0]!.singularValues).readDoubleLE(), 2.5);
  ending.abort();
  registry.close();
  await second?.drain(100);
});

test('a refused manifest is not tried again', async () => {
  let attempts = 0;
  const server = await serveRegistry(0, () => {
    attempts++;
    throw new ZmeshError('MODEL_CONFLICT', 'the name belongs to another fingerprint');
  });
  const registry = connect(ExpertRegistryServiceService, {
    address: server.address,
    unavailable: 'REGISTRY_UNAVAILABLE',
  });
  const ending = new AbortController();
  await publishManifest(registry, model, { log, signal: ending.signal });
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(attempts, 1);
  ending.abort();
  registry.close();
  await server.drain(100);
});
