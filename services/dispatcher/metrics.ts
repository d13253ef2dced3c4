import type { Catalog } from '#shared/catalog/follow.js';
import type { Replicas } from '#shared/fleet/replicas.js';
import { observeLevel } from '#shared/telemetry/instruments.js';
import { ZMESH } from '#shared/telemetry/semconv.js';
import type { Gate } from './gate.js';

/** What a dispatcher is made of, as far as it is observed. */
export interface ObservedDispatcher {
  readonly replicas: Pick<Replicas, 'all'>;
  readonly catalog: Pick<Catalog, 'ageS'>;
  readonly gate: Pick<Gate, 'inside'>;
  /** Most requests at once. */
  readonly requestsMax: number;
}

/** Observes the replicas that the dispatcher knows, its view of the registry and its own load. Call the result to stop. */
export function observeDispatcher({ replicas, catalog, gate, requestsMax }: ObservedDispatcher): () => void {
  const stops = [
    observeLevel(
      { name: 'zmesh.replicas', unit: '{replica}', description: 'Inference replicas that are known here' },
      () => {
        const all = replicas.all();
        const down = all.filter((replica) => replica.down).length;
        return [
          { value: all.length - down, attributes: { [ZMESH.REPLICA_STATE]: 'up' } },
          { value: down, attributes: { [ZMESH.REPLICA_STATE]: 'down' } },
        ];
      },
    ),
    observeLevel(
      {
        name: 'zmesh.registry.age',
        unit: 's',
        description: 'Since the view of the registry was last known to be current; 0 while it is watched',
      },
      () => [{ value: catalog.ageS() }],
    ),
    observeLevel(
      { name: 'zmesh.dispatcher.requests', unit: '{request}', description: 'Requests at work' },
      () => [{ value: gate.inside }],
    ),
    observeLevel(
      { name: 'zmesh.dispatcher.requests.limit', unit: '{request}', description: 'Most of them at once' },
      () => [{ value: requestsMax }],
    ),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
