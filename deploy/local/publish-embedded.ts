/** Publishes the embedded model's experts where they are missing, into the registry at `ZMESH_REGISTRY_ADDRESS`. */
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { connect } from '#shared/rpc/client.js';
import { publishEmbeddedExperts } from './embedded-model.js';

const address = process.env.ZMESH_REGISTRY_ADDRESS;
if (!address) {
  process.stderr.write('error: ZMESH_REGISTRY_ADDRESS says where the registry is\n');
  process.exit(2);
}
const registry = connect(ExpertRegistryServiceService, { address, unavailable: 'REGISTRY_UNAVAILABLE' });
try {
  const published = await publishEmbeddedExperts(registry, AbortSignal.timeout(120_000));
  process.stdout.write(`published: ${published.join(', ') || 'nothing, all are there'}\n`);
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  registry.close();
}
