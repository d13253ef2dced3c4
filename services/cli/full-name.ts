import type { ZmeshClient } from '#shared/client/client.js';
import { ZmeshError } from '#shared/errors.js';
import { type ExpertName, parseExpertName } from '#shared/svf/names.js';
import type { Io } from './io.js';

/**
 * An expert's name with its model: the one in the name, else `--model`, else the only one that is registered.
 * Throws INVALID_FIELD for a bad name, MODEL_REQUIRED where several models are registered and none is named.
 */
export async function withModel(
  text: string,
  model: string | undefined,
  registry: ZmeshClient['registry'],
  io: Io,
): Promise<ExpertName & { readonly model: string }> {
  const name = parseExpertName(text);
  if (name.model !== undefined) return { ...name, model: name.model };
  return { ...name, model: model ?? (await onlyModel(registry, io)) };
}

async function onlyModel(registry: ZmeshClient['registry'], io: Io): Promise<string> {
  const { models } = await registry.listRegisteredModels({}, { signal: io.signal });
  const [first, ...others] = models;
  if (first && others.length === 0) return first.name;
  throw new ZmeshError(
    first ? 'MODEL_REQUIRED' : 'UNKNOWN_MODEL',
    first
      ? `${models.length} models are registered (${models.map(({ name }) => name).join(', ')}): write model/expert`
      : 'no model is registered',
    { field: 'model' },
  );
}
