import { observeLevel } from '#shared/telemetry/instruments.js';
import { ZMESH } from '#shared/telemetry/semconv.js';
import type { View } from './view.js';

/** Observes what the registry holds. Call the result to stop. */
export function observeRegistry(view: View): () => void {
  const stops = [
    observeLevel(
      { name: 'zmesh.registry.models', unit: '{model}', description: 'Models with a manifest' },
      () => [{ value: view.models.size }],
    ),
    observeLevel(
      { name: 'zmesh.registry.versions', unit: '{version}', description: 'Versions of experts' },
      () => {
        const versions = [...view.experts.values()].flatMap((expert) => [...expert.versions.values()]);
        const retired = versions.filter((version) => version.retired).length;
        return [
          { value: versions.length - retired, attributes: { [ZMESH.VERSION_STATE]: 'served' } },
          { value: retired, attributes: { [ZMESH.VERSION_STATE]: 'retired' } },
        ];
      },
    ),
    observeLevel(
      { name: 'zmesh.registry.aliases', unit: '{alias}', description: 'Aliases of experts' },
      () => [{ value: [...view.experts.values()].reduce((sum, { aliases }) => sum + aliases.size, 0) }],
    ),
    observeLevel(
      {
        name: 'zmesh.registry.revision',
        unit: '1',
        description: 'Revision of the last change seen; the same in every replica that is current',
      },
      () => [{ value: view.revision }],
    ),
    observeLevel(
      { name: 'zmesh.registry.faults', unit: '{record}', description: 'Stored records that make no sense' },
      () => [{ value: view.faults.size }],
    ),
  ];
  return () => {
    for (const stop of stops) stop();
  };
}
