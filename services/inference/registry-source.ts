import type { ExpertRegistryServiceService, ExpertVersion } from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '#shared/errors.js';
import type { RpcClient } from '#shared/rpc/client.js';
import { formatExpertName } from '#shared/svf/names.js';
import { checkSpecFormat } from '#shared/svf/version.js';
import type { ExpertSource } from './experts.js';

/** A client of the expert registry. */
export type RegistryClient = RpcClient<typeof ExpertRegistryServiceService>;

/** Experts from the registry over gRPC; each fetch has a limit of its own, since several requests may wait for it. */
export function registrySource(registry: RegistryClient, timeoutMs: number): ExpertSource {
  return {
    async fetch({ model, expert, version }) {
      const name = formatExpertName({ model, expert, selector: version });
      const response = await registry.getExpertVectors({ name }, { timeoutMs });
      const spec = response.expert?.spec;
      if (!response.expert || !spec)
        throw new ZmeshError('CORRUPT', `the registry gave ${name} without its spec`, {
          names: { expert: name },
        });
      checkSpecFormat(response.expert);
      return { spec, retired: response.expert.retired, vectors: response.vectors };
    },
  };
}

const LIST_PAGE = 1000;

/** Every version of a model's experts that is not retired. Throws REGISTRY_UNAVAILABLE. */
export async function* listExperts(
  registry: Pick<RegistryClient, 'listExperts'>,
  model: string,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): AsyncGenerator<ExpertVersion> {
  const asked = { model, name: '', includeRetired: false, pageSize: LIST_PAGE };
  let pageToken = '';
  do {
    const page = await registry.listExperts({ ...asked, pageToken }, options);
    yield* page.experts;
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
}

/** What stands in where no registry is set: every expert is out of reach. */
export const noSource: ExpertSource = {
  async fetch({ expert }) {
    throw new ZmeshError(
      'REGISTRY_UNAVAILABLE',
      `no expert registry is set (ZMESH_REGISTRY_ADDRESS) to get ${expert} from`,
    );
  },
};
