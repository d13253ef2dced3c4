import type { ListModelsResponse, ModelDescription } from '#proto/zmesh/v1/dispatcher.js';
import type { ServedModel } from '#proto/zmesh/v1/inference.js';
import type { Mesh } from './dispatch.js';
import { exactName } from './resolve.js';
import { routingOf } from './routing.js';

/** The served models with what can be routed to. Throws as routing does: a mesh that cannot route says so here first. */
export async function listModels(mesh: Mesh, defaultStrategy: string): Promise<ListModelsResponse> {
  const models = await mesh.models.list();
  return { models: models.map((model) => describe(model, mesh, defaultStrategy)) };
}

function describe(served: ServedModel, mesh: Mesh, defaultStrategy: string): ModelDescription {
  const { labels, classifier } = routingOf(served, mesh.catalog, mesh.routedAlias);
  return {
    served,
    routed: labels.map(({ label, description, exact }) => ({ label, description, expert: exact })),
    classifier: classifier ? exactName(classifier) : '',
    defaultStrategy,
  };
}
