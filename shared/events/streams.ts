import {
  DiscardPolicy,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
} from '@nats-io/jetstream';
import type { EventConnection } from './connection.js';
import { EXPERT_SUBJECTS } from './subjects.js';

/** Stream of the expert registry's events. Written by registries alone, which relay by its sequence. */
export const EXPERT_STREAM = 'ZMESH_EXPERTS';

const DUPLICATE_WINDOW_NS = 120e9;

/**
 * What the stream is. Events are small (below 1 KiB); the oldest go first when 256 MiB are full, which is some 300 000
 * changes. A reader that was away longer starts again from the registry's present state.
 */
const EXPERT_STREAM_CONFIG = {
  name: EXPERT_STREAM,
  description: 'Changes of the zmesh expert registry',
  subjects: [EXPERT_SUBJECTS],
  retention: RetentionPolicy.Limits,
  storage: StorageType.File,
  discard: DiscardPolicy.Old,
  max_bytes: 256 * 1024 * 1024,
  duplicate_window: DUPLICATE_WINDOW_NS,
  allow_direct: true,
} satisfies Partial<StreamConfig>;

const NAME_IN_USE = 10058;

/**
 * Makes sure that the stream of registry events exists; an existing one keeps its settings (an operator may have changed them).
 * @param replicas copies in a cluster, 1 to 5; 3 in production. Default 1.
 */
export async function ensureExpertStream(connection: EventConnection, replicas = 1): Promise<void> {
  try {
    await connection.jsm.streams.add({ ...EXPERT_STREAM_CONFIG, num_replicas: replicas });
  } catch (error) {
    if (!(error instanceof JetStreamApiError && error.code === NAME_IN_USE)) throw error;
  }
}
