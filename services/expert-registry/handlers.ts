import {
  ExpertGate,
  type ExpertRegistryServiceService,
  type RegistryRecord,
  type RestoreRegistryRequest,
} from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import type { Handlers } from '#shared/rpc/bind.js';
import { listExperts } from './list.js';
import { withoutSigma } from './records.js';
import type { Registry } from './registry.js';
import { exportRegistry, restoreRegistry } from './transfer.js';
import { verifyRegistry } from './verify.js';
import { watchExperts } from './watch.js';

/** The service's methods on a registry. `draining` ends the watches with DRAINING. */
export function createHandlers(
  registry: Registry,
  draining: AbortSignal,
): Handlers<typeof ExpertRegistryServiceService> {
  const until = (signal: AbortSignal): AbortSignal => AbortSignal.any([signal, draining]);
  return {
    publishModel: async ({ model }) => ({ created: await registry.publishModel(model) }),
    getModel: async ({ name }) => ({ model: await registry.getModel(name) }),
    listRegisteredModels: async () => ({ models: listModels(registry) }),
    publishExpert: ({ spec, vectors, alias, record, gate }) =>
      registry.publishExpert({ spec, vectors, alias, record, gate: knownGate(gate) }),
    getExpert: async ({ name }) => ({ expert: registry.getExpert(name) }),
    getExpertVectors: ({ name }) => registry.getExpertVectors(name),
    getExpertRecord: ({ name }) => registry.getExpertRecord(name),
    listExperts: async (request) => listExperts(registry.view, request),
    watchExperts: ({ model, afterRevision }, call) =>
      watchExperts(registry, {
        model,
        afterRevision: revisionFrom(afterRevision),
        signal: until(call.signal),
      }),
    async setAlias({ model, expert, alias, version, expectedVersion }) {
      const moved = await registry.setAlias({ model, expert, alias, version, expected: expectedVersion });
      return { previousVersion: moved.previous, version: moved.version, revision: BigInt(moved.revision) };
    },
    async deleteAlias({ model, expert, alias, expectedVersion }) {
      const deleted = await registry.deleteAlias({ model, expert, alias, expected: expectedVersion });
      return { previousVersion: deleted.previous, revision: BigInt(deleted.revision) };
    },
    retireExpert: async ({ name }) => ({ expert: await registry.retireExpert(name) }),
    verifyRegistry: (_request, call) => verifyRegistry(registry, until(call.signal)),
    async *exportRegistry(_request, call) {
      for await (const record of exportRegistry(registry, until(call.signal))) yield { record };
    },
    async restoreRegistry(requests) {
      const { created, kept } = await restoreRegistry(registry, recordsOf(requests));
      return { created: BigInt(created), kept: BigInt(kept) };
    },
  };
}

function knownGate(gate: ExpertGate = ExpertGate.UNSPECIFIED): ExpertGate {
  if (Object.values(ExpertGate).includes(gate) && gate >= 0) return gate;
  throw new ZmeshError('INVALID_FIELD', `gate ${gate} is not known`, { field: 'gate', value: gate });
}

function listModels(registry: Registry) {
  const names = [...registry.view.models.keys()].sort();
  return names.map((name) => withoutSigma(registry.view.models.get(name)!.record.manifest));
}

function revisionFrom(revision: bigint): number {
  if (revision <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(revision);
  const message = `after_revision is ${revision}, the limit is ${Number.MAX_SAFE_INTEGER}`;
  throw new ZmeshError('REVISION_UNAVAILABLE', message, { field: 'after_revision', value: String(revision) });
}

async function* recordsOf(
  requests: AsyncIterable<RestoreRegistryRequest>,
): AsyncGenerator<RegistryRecord | undefined> {
  for await (const { record } of requests) yield record;
}
