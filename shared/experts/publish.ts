import {
  type ExpertGate,
  ExpertKind,
  type ExpertRegistryServiceService,
  type ExpertVersion,
  type ModelManifest,
} from '#proto/zmesh/v1/expert_registry.js';
import { ZmeshError } from '../errors.js';
import type { CallOptions, RpcClient } from '../rpc/client.js';
import { foldTrace } from '../svf/fold.js';
import type { Expert, NormalisationName, SpectralMatrix } from '../svf/model.js';
import { normalisationValue } from '../svf/normalisation.js';
import { checkVectors, writeVectors } from '../svf/vectors.js';

/** What to publish. */
export interface PublishOptions {
  readonly registry: Pick<RpcClient<ExpertRegistryServiceService>, 'getModel' | 'publishExpert'>;
  readonly model: string;
  readonly name: string;
  readonly kind: 'task' | 'classifier';
  /** Empty = never routed to. */
  readonly label: string;
  readonly description: string;
  readonly metadata: Readonly<Record<string, string>>;
  /** Labels that a classification expert was trained to write, `other` included. Default: not known. */
  readonly categories?: readonly string[];
  /** How it came to be, written as JSON. Default: no record. */
  readonly record?: Readonly<Record<string, unknown>>;
  /** How its held-out test ended. Default: never tested. */
  readonly gate?: ExpertGate;
  readonly expert: Expert;
  /** Also moved to the new version; empty = none. */
  readonly alias: string;
  readonly call?: CallOptions;
}

/** What was published. */
export interface Published {
  readonly expert: ExpertVersion;
  /** False if the same content was there already. */
  readonly created: boolean;
  /** True if the multipliers of a `trace` expert were scaled by Σσ / Σ(σ∘m) first, so that c = 1. */
  readonly folded: boolean;
}

/** Publishes an expert for a registered model; a `trace` expert is folded first. Throws what the registry refuses. */
export async function publishExpert(options: PublishOptions): Promise<Published> {
  const { registry, model, name, alias, expert, call } = options;
  const manifest = (await registry.getModel({ name: model }, call)).model;
  if (!manifest) throw new ZmeshError('INTERNAL', `the registry sent no manifest of ${model}`);
  const matrices = spectralMatrices(manifest);
  checkVectors(
    expert.multipliers,
    new Map(matrices.map(({ name: matrix, sigma }) => [matrix, sigma.length])),
  );
  const ready = foldTrace(matrices, expert);
  const answer = await registry.publishExpert(
    {
      spec: {
        model,
        name,
        basisId: manifest.basisId,
        normalisation: normalisationValue(expert.normalisation),
        kind: options.kind === 'classifier' ? ExpertKind.CLASSIFIER : ExpertKind.TASK,
        label: options.label,
        description: options.description,
        metadata: { ...options.metadata },
        mixture: undefined,
        categories: [...(options.categories ?? [])],
      },
      vectors: writeVectors(ready.multipliers),
      alias,
      ...(options.record && { record: Buffer.from(JSON.stringify(options.record), 'utf8') }),
      ...(options.gate !== undefined && { gate: options.gate }),
    },
    call,
  );
  if (!answer.expert) throw new ZmeshError('INTERNAL', 'the registry published without saying what');
  return { expert: answer.expert, created: answer.created, folded: ready !== expert };
}

/** A normalisation given by hand or by the file; throws MISSING_FIELD where neither says it. */
export function chosenNormalisation(
  given: NormalisationName | undefined,
  inFile: NormalisationName | undefined,
): NormalisationName {
  const chosen = given ?? inFile;
  if (chosen) return chosen;
  throw new ZmeshError('MISSING_FIELD', 'the file does not say its normalisation: give none or trace', {
    field: 'spec.normalisation',
  });
}

/** The matrices of a manifest that were decomposed, with σ. */
export function spectralMatrices(manifest: ModelManifest): SpectralMatrix[] {
  return manifest.matrices
    .filter((matrix) => matrix.singularValues.length > 0)
    .map((matrix) => ({
      name: matrix.name,
      // A copy: the bytes of a message lie at any alignment.
      sigma: new Float64Array(new Uint8Array(matrix.singularValues).buffer),
    }));
}
