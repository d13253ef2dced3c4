import { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { InferenceServiceService } from '#proto/zmesh/v1/inference.js';
import { TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import { Malformed, strictly } from '#shared/rpc/decode.js';
import type { RawKind } from '../support/raw-grpc.js';

/** Which service a method belongs to. */
export type ServiceName = 'dispatcher' | 'expert-registry' | 'inference' | 'trainer';

/** One RPC of the mesh. */
export interface Method {
  readonly service: ServiceName;
  /** `Generate`. */
  readonly name: string;
  readonly path: string;
  readonly kind: RawKind;
  /** Full name of its request, a key of the schema. */
  readonly request: string;
  /** True if the bytes are a message. */
  decodes(bytes: Uint8Array): boolean;
}

interface Definition {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestDeserialize: (bytes: Buffer) => unknown;
}

/** Every RPC of the four services, by the contract. */
export const METHODS: readonly Method[] = [
  ...methodsOf('dispatcher', DispatcherServiceService),
  ...methodsOf('expert-registry', ExpertRegistryServiceService),
  ...methodsOf('inference', InferenceServiceService),
  ...methodsOf('trainer', TrainerServiceService),
];

function methodsOf(service: ServiceName, definitions: Readonly<Record<string, Definition>>): Method[] {
  return Object.values(definitions).map(({ path, requestStream, responseStream, requestDeserialize }) => {
    const name = path.split('/')[2]!;
    const decode = strictly(requestDeserialize);
    return {
      service,
      name,
      path,
      kind: requestStream ? 'clientStream' : responseStream ? 'serverStream' : 'unary',
      request: `.zmesh.v1.${name}Request`,
      decodes: (bytes) => !(decode(Buffer.from(bytes)) instanceof Malformed),
    };
  });
}
