import { ZmeshError } from '#shared/errors.js';
import type { Algorithm } from './algorithms/algorithm.js';
import { algorithmNamed } from './algorithms/registry.js';
import { readSettings } from './settings.js';
import type { SettingValues } from './state.js';

/** Settings that belong together. */
export interface Preset {
  readonly name: string;
  readonly help: string;
  /** What to know before using it; undefined = nothing. */
  readonly caution: string | undefined;
  /** The algorithm it is for; undefined = any. */
  readonly algorithm: string | undefined;
  /** By flag name; the rest stays at the algorithm's defaults. */
  readonly settings: Readonly<Record<string, string>>;
}

/** What we recommend: the defaults of the algorithm's table. */
const recommended: Preset = {
  name: 'default',
  help: 'What we recommend: four samples a question against each other, AdamW with a high rate that falls.',
  caution: undefined,
  algorithm: undefined,
  settings: {},
};

/** The published code's settings (SakanaAI/self-adaptive-llms @ 03a41ae), not those of its paper. */
const official: Preset = {
  name: 'official',
  help: "The published code's settings: one greedy answer a question, no baseline, Adam 2e-3 clipped at 1e-3.",
  caution:
    'Greedy answers explore nothing, and Adam hardly feels a clip: expect more steps than with the default. What is no setting is ' +
    'not repeated: bf16, a second BOS, the stop strings (`Instruction:`, `Response:`), answers made into tokens once more from their text, ' +
    'prompts of MBPP that differ by a token between answer and gradient, and rewards for answers that their budget cut off, which are wrong here.',
  algorithm: 'reinforce',
  settings: {
    matrices: 'mlp',
    parameterisation: 'sigmoid',
    'init-mean': '0.1',
    'init-deviation': '0.01',
    normalisation: 'trace',
    steps: '200',
    prompts: '256',
    'batch-order': 'independent',
    samples: '1',
    temperature: '0',
    'top-p': '1',
    baseline: 'none',
    'reward-scale': 'none',
    'length-normalisation': 'false',
    'end-token': 'false',
    'kl-coefficient': '0',
    'kl-direction': 'reference-to-policy',
    optimiser: 'adam',
    'learning-rate': '0.002',
    beta1: '0.9',
    beta2: '0.999',
    epsilon: '1e-8',
    'weight-decay': '0',
    schedule: 'constant',
    'warm-up-steps': '0',
    'clip-norm': '0.001',
    'validate-every': '10',
    'validation-items': '100000',
    patience: '0',
  },
};

/** The paper's settings (arXiv 2501.06252, §3.2 and table 6), as far as it defines them. */
const paper: Preset = {
  name: 'paper',
  help: 'The settings of arXiv 2501.06252, table 6: z itself is trained, without normalisation, AdamW 2e-3 and cosine.',
  caution:
    'Table 6 starts z at 0.1: without the sigmoid and the normalisation of its code, every adapted matrix begins at a ' +
    'tenth of its size and the model answers nonsense. `--set init-mean=1` starts at the base. Steps, samples, temperature, warm-up, betas, ' +
    "weight decay, the end token, validation and patience are not in the paper: its code's, PyTorch's defaults, or ours. λ is one of its sweep, 0 to 0.3.",
  algorithm: 'reinforce',
  settings: {
    matrices: 'all',
    parameterisation: 'direct',
    'init-mean': '0.1',
    'init-deviation': String(Math.sqrt(1e-3)),
    normalisation: 'none',
    steps: '200',
    prompts: '256',
    'batch-order': 'epoch',
    samples: '1',
    temperature: '1',
    'top-p': '1',
    baseline: 'none',
    'reward-scale': 'none',
    'length-normalisation': 'false',
    'end-token': 'true',
    'kl-coefficient': '0.1',
    'kl-direction': 'policy-to-reference',
    optimiser: 'adamw',
    'learning-rate': '0.002',
    beta1: '0.9',
    beta2: '0.999',
    epsilon: '1e-8',
    'weight-decay': '0.01',
    schedule: 'cosine',
    'warm-up-steps': '0',
    'clip-norm': '0.001',
    'validate-every': '10',
    'validation-items': '100000',
    patience: '5',
  },
};

/** Every preset by its name. */
export const PRESETS: Readonly<Record<string, Preset>> = Object.freeze({
  default: recommended,
  official,
  paper,
});

/** What a run is asked for. */
export interface RunChoice {
  /** Empty = `default`. */
  readonly preset: string;
  /** Empty = the preset's, or `reinforce`. */
  readonly algorithm: string;
  /** By flag name; these go before the preset's. */
  readonly settings: Readonly<Record<string, string>>;
}

/**
 * The algorithm and the checked settings of a run. Throws INVALID_FIELD for an unknown preset or algorithm, for two that
 * do not go together, and for settings with all their faults at once.
 */
export function chooseRun(choice: RunChoice): {
  algorithm: Algorithm;
  preset: Preset;
  settings: SettingValues;
} {
  const name = choice.preset || 'default';
  const preset = Object.hasOwn(PRESETS, name) ? PRESETS[name] : undefined;
  if (!preset)
    throw new ZmeshError(
      'INVALID_FIELD',
      `preset: "${name}" is not one of ${Object.keys(PRESETS).join(', ')}`,
      {
        field: 'preset',
        value: name,
      },
    );
  const algorithm = algorithmNamed(choice.algorithm || (preset.algorithm ?? 'reinforce'));
  if (preset.algorithm !== undefined && preset.algorithm !== algorithm.name)
    throw new ZmeshError(
      'INVALID_FIELD',
      `preset ${name} is for ${preset.algorithm}, not for ${algorithm.name}`,
      {
        field: 'preset',
        value: name,
      },
    );
  return { algorithm, preset, settings: readSettings(algorithm, { ...preset.settings, ...choice.settings }) };
}
