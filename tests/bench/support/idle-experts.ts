import type { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { publishExpert, spectralMatrices } from '#shared/experts/publish.js';
import type { RpcClient } from '#shared/rpc/client.js';
import { ROUTED_ALIAS } from '#shared/svf/names.js';

/** Publishes one routed expert for each label; every multiplier is 1, so that they cost what experts cost and change nothing. */
export async function publishIdleExperts(
  registry: RpcClient<ExpertRegistryServiceService>,
  model: string,
  labels: readonly string[],
): Promise<void> {
  const manifest = (await registry.getModel({ name: model })).model;
  if (!manifest) throw new Error(`the registry knows no ${model}`);
  for (const label of labels) {
    const multipliers = new Map(
      spectralMatrices(manifest).map(({ name, sigma }) => [name, new Float32Array(sigma.length).fill(1)]),
    );
    await publishExpert({
      registry,
      model,
      name: label,
      kind: 'task',
      label,
      description: `questions of ${label}`,
      metadata: {},
      expert: { normalisation: 'none', multipliers },
      alias: ROUTED_ALIAS,
    });
  }
}
