import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { EMBEDDED_FOLDER, EMBEDDED_MODEL, publishEmbeddedExperts } from '#deploy/local/embedded-model.js';
import { Normalisation } from '#proto/zmesh/v1/common.js';
import {
  ExpertKind,
  ExpertRegistryServiceService,
  type ExpertSpec,
  type ModelManifest,
} from '#proto/zmesh/v1/expert_registry.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';

/** A client of the expert registry. */
export type RegistryClient = RpcClient<typeof ExpertRegistryServiceService>;

/** What a caller of the mesh may know. Nothing of it differs from run to run. */
export interface Facts {
  readonly manifest: ModelManifest;
  readonly basisId: string;
  /** A sound vectors file of the embedded model. */
  readonly vectors: Buffer;
  /** Exact versions by expert: the routed `math`, `code`, `reasoning`, `classifier`, and those that are not routed. */
  readonly versions: ReadonlyMap<string, string>;
  /** Id of a training run that is over. */
  readonly run: string;
}

/** Experts that are never routed: victims, with which hostile changes do as they like, and witnesses, which they do not know. */
const UNROUTED = ['victim-0', 'victim-1', 'victim-retired', 'witness', 'witness-trace'] as const;

/** A sound spec of an expert of the embedded model. */
export function specOf(name: string, basisId: string): ExpertSpec {
  return {
    model: EMBEDDED_MODEL,
    name,
    basisId,
    normalisation: name === 'witness-trace' ? Normalisation.TRACE : Normalisation.NONE,
    kind: ExpertKind.TASK,
    label: '',
    description: '',
    metadata: {},
    mixture: undefined,
    categories: [],
  };
}

/** A client of the registry at an address. */
export function registryClient(address: string): RegistryClient {
  return connect(ExpertRegistryServiceService, { address, unavailable: 'REGISTRY_UNAVAILABLE' });
}

/** Publishes the embedded experts and the others; what is known then, but for the run. */
export async function publishFacts(registry: RegistryClient): Promise<Omit<Facts, 'run'>> {
  await publishEmbeddedExperts(registry, AbortSignal.timeout(60_000));
  const { model } = await registry.getModel({ name: EMBEDDED_MODEL });
  const manifest = model!;
  const { basisId } = manifest;
  const vectors = await readFile(join(EMBEDDED_FOLDER, 'experts/math.safetensors'));
  const versions = new Map<string, string>();
  for (const name of UNROUTED) {
    const { expert } = await registry.publishExpert({ spec: specOf(name, basisId), vectors, alias: '' });
    versions.set(name, expert!.version);
  }
  await registry.retireExpert({ name: `${EMBEDDED_MODEL}/victim-retired@${versions.get('victim-retired')}` });
  for (const name of ['math', 'code', 'reasoning', 'classifier']) {
    const { expert } = await registry.getExpert({ name: `${EMBEDDED_MODEL}/${name}@stable` });
    versions.set(name, expert!.version);
  }
  return { manifest, basisId, vectors, versions };
}
