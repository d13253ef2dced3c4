import { DispatcherServiceService } from '#proto/zmesh/v1/dispatcher.js';
import { ExpertRegistryServiceService } from '#proto/zmesh/v1/expert_registry.js';
import { TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { addressOf } from './addresses.js';
import type { Options } from './command.js';
import type { Io } from './io.js';

/** A client of the dispatcher. */
export type Dispatcher = RpcClient<DispatcherServiceService>;
/** A client of the expert registry. */
export type Registry = RpcClient<ExpertRegistryServiceService>;

/** A client of the trainer. */
export type Trainer = RpcClient<TrainerServiceService>;

/** The option that says where the dispatcher is. */
export const DISPATCHER_OPTION = {
  dispatcher: {
    type: 'string',
    value: 'HOST:PORT',
    help: 'the dispatcher (default: the local mesh, or ZMESH_DISPATCHER_ADDRESS)',
  },
} as const satisfies Options;

/** The option that says where the registry is. */
export const REGISTRY_OPTION = {
  registry: {
    type: 'string',
    value: 'HOST:PORT',
    help: 'the expert registry (default: the local mesh, or ZMESH_REGISTRY_ADDRESS)',
  },
} as const satisfies Options;

/** The option that says where the trainer is. */
export const TRAINER_OPTION = {
  trainer: {
    type: 'string',
    value: 'HOST:PORT',
    help: 'the trainer (default: the local mesh, or ZMESH_TRAINER_ADDRESS)',
  },
} as const satisfies Options;

/** Runs `work` with a client of the dispatcher and closes it. */
export async function withDispatcher<T>(
  given: string | undefined,
  io: Io,
  work: (client: Dispatcher) => Promise<T>,
): Promise<T> {
  const address = addressOf('dispatcher', given, io.env);
  const client = connect(DispatcherServiceService, { address, unavailable: 'INFERENCE_UNAVAILABLE' });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** Runs `work` with a client of the registry and closes it. */
export async function withRegistry<T>(
  given: string | undefined,
  io: Io,
  work: (client: Registry) => Promise<T>,
): Promise<T> {
  const address = addressOf('registry', given, io.env);
  const client = connect(ExpertRegistryServiceService, { address, unavailable: 'REGISTRY_UNAVAILABLE' });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}

/** Runs `work` with a client of the trainer and closes it. */
export async function withTrainer<T>(
  given: string | undefined,
  io: Io,
  work: (client: Trainer) => Promise<T>,
): Promise<T> {
  const address = addressOf('trainer', given, io.env);
  const client = connect(TrainerServiceService, { address, unavailable: 'TRAINER_UNAVAILABLE' });
  try {
    return await work(client);
  } finally {
    client.close();
  }
}
