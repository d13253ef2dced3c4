import { ZmeshError } from '#shared/errors.js';
import type { Engine } from './engine.js';
import type { GradientEngine } from './gradient/engine.js';
import type { Mixtures } from './mixtures.js';
import type { PreparedModel } from './model/prepared.js';
import type { ModelTokenizer } from './model/tokenizer.js';

/** A model that this process serves. */
export interface ServedModel {
  readonly prepared: PreparedModel;
  /** null = only token ids are accepted. */
  readonly tokenizer: ModelTokenizer | null;
  readonly engine: Engine;
  readonly mixtures: Mixtures;
  readonly gradients: GradientEngine;
}

/** The served models, by name. */
export interface ServedModels {
  /** In the order of their names. */
  readonly all: readonly ServedModel[];
  /** The named one; '' = the only one. Throws UNKNOWN_MODEL or MODEL_REQUIRED. */
  find(name: string): ServedModel;
}

/** Makes the directory of models. Throws INVALID_FIELD if two have one name. */
export function servedModels(models: readonly ServedModel[]): ServedModels {
  const all = [...models].sort((a, b) => (a.prepared.name < b.prepared.name ? -1 : 1));
  const names = all.map(({ prepared }) => prepared.name);
  const twice = names.find((name, i) => names[i - 1] === name);
  if (twice !== undefined)
    throw new ZmeshError('INVALID_FIELD', `two models are named ${twice}`, { value: twice });
  return {
    all,
    find(name) {
      if (name === '' && all.length > 1) {
        const message = `model: is required, since several are served: ${names.join(', ')}`;
        throw new ZmeshError('MODEL_REQUIRED', message, { field: 'model' });
      }
      const model = name === '' ? all[0] : all.find(({ prepared }) => prepared.name === name);
      if (model) return model;
      const shown = name.slice(0, 80);
      throw new ZmeshError(
        'UNKNOWN_MODEL',
        `there is no model "${shown}" here; served: ${names.join(', ')}`,
        {
          names: { model: shown },
        },
      );
    },
  };
}
