import type { ListServedModelsResponse, ServedModel } from '#proto/zmesh/v1/inference.js';
import { ZmeshError } from '#shared/errors.js';

/** The models that inference serves. */
export interface Models {
  /** All of them, by name; from memory while that is younger than its age limit, up to twice as old while inference is asked again. */
  list(): Promise<readonly ServedModel[]>;
  /**
   * The model of that name; an empty name = the only one served. Throws UNKNOWN_MODEL, MODEL_REQUIRED (several are
   * served) or INFERENCE_UNAVAILABLE.
   */
  find(name: string): Promise<ServedModel>;
}

/** What the list of models needs. */
export interface ModelsOptions {
  /** Asks inference. */
  readonly fetch: () => Promise<ListServedModelsResponse>;
  /** How long an answer is used, milliseconds. */
  readonly maxAgeMs: number;
  /** Milliseconds since any fixed point. Default performance.now. */
  readonly now?: () => number;
}

/** The served models, asked of inference when needed; requests that come meanwhile share one call. */
export function createModels({ fetch, maxAgeMs, now = () => performance.now() }: ModelsOptions): Models {
  let known: readonly ServedModel[] = [];
  let knownMs = Number.NEGATIVE_INFINITY;
  let asking: Promise<readonly ServedModel[]> | undefined;

  const ask = (): Promise<readonly ServedModel[]> => {
    asking ??= fetch()
      .then(({ models }) => {
        known = models;
        knownMs = now();
        return known;
      })
      .catch((error: unknown) => {
        // Replicas that are too busy to say it still serve what they served.
        if (known.length > 0 && isTooBusy(error)) return known;
        throw error;
      })
      .finally(() => {
        asking = undefined;
      });
    return asking;
  };
  const list = async (): Promise<readonly ServedModel[]> => {
    const ageMs = now() - knownMs;
    if (ageMs < maxAgeMs) return known;
    const asked = ask();
    if (ageMs >= 2 * maxAgeMs) return asked;
    // A busy replica may take its time to say what it serves; that is no reason to keep a request waiting.
    asked.catch(() => {});
    return known;
  };

  return {
    list,
    async find(name) {
      const models = await list();
      const found = pick(models, name) ?? pick(await ask(), name);
      if (found) return found;
      const served = known.map((model) => model.name).join(', ') || 'none';
      if (name !== '') {
        throw new ZmeshError('UNKNOWN_MODEL', `no model "${name}" is served (served: ${served})`, {
          field: 'model',
          names: { model: name },
        });
      }
      if (known.length === 0)
        throw new ZmeshError('UNKNOWN_MODEL', 'inference serves no model', { field: 'model' });
      throw new ZmeshError('MODEL_REQUIRED', `${known.length} models are served, name one of: ${served}`, {
        field: 'model',
        value: known.length,
        limit: 1,
      });
    },
  };
}

function isTooBusy(error: unknown): boolean {
  const { cause } = ZmeshError.from(error).details;
  return cause instanceof ZmeshError && cause.reason === 'DEADLINE';
}

function pick(models: readonly ServedModel[], name: string): ServedModel | undefined {
  if (name === '') return models.length === 1 ? models[0] : undefined;
  return models.find((model) => model.name === name);
}
