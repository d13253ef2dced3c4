import { TrainerServiceService } from '#proto/zmesh/v1/trainer.js';
import { ZmeshClient, type ZmeshClientOptions } from '#shared/client/client.js';
import { connect, type RpcClient } from '#shared/rpc/client.js';
import { addressOf } from './addresses.js';
import type { Options } from './command.js';
import type { Io } from './io.js';

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

/** Runs `work` with a client of the mesh that knows the dispatcher, and closes it. */
export function withDispatcher<T>(
  given: string | undefined,
  io: Io,
  work: (client: ZmeshClient) => Promise<T>,
): Promise<T> {
  return withClient({ address: addressOf('dispatcher', given, io.env) }, work);
}

/** Runs `work` with a client of the mesh that knows the registry, and closes it. */
export function withRegistry<T>(
  given: string | undefined,
  io: Io,
  work: (client: ZmeshClient) => Promise<T>,
): Promise<T> {
  return withClient({ registryAddress: addressOf('registry', given, io.env) }, work);
}

async function withClient<T>(
  where: ZmeshClientOptions,
  work: (client: ZmeshClient) => Promise<T>,
): Promise<T> {
  // Whoever waits at a terminal has Ctrl-C.
  const client = new ZmeshClient({ ...where, timeoutMs: Number.POSITIVE_INFINITY });
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
