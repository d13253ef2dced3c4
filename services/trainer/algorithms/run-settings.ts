import type { SettingRule } from '#shared/config.js';

/** Settings that every algorithm has. Defaults are the recommended preset's. */
export const RUN_SETTINGS = {
  steps: {
    type: 'integer',
    default: 40,
    min: 1,
    max: 100_000,
    help: 'Training steps.',
  },
  prompts: {
    type: 'integer',
    default: 24,
    min: 1,
    max: 100_000,
    help: 'Questions a step; all of the training split, if it has fewer.',
  },
  batchOrder: {
    type: 'choice',
    default: 'epoch',
    choices: ['epoch', 'independent'],
    help: 'epoch: no question again before all were asked; independent: every batch is drawn from all.',
  },
  matrices: {
    type: 'string',
    default: 'mlp',
    help: 'Matrices that are trained, comma separated: mlp, attention, all, or weight names.',
  },
  normalisation: {
    type: 'choice',
    default: 'trace',
    choices: ['trace', 'none'],
    help: 'Scale of the adapted matrix: trace keeps the sum of its singular values.',
  },
  validateEvery: {
    type: 'integer',
    default: 5,
    min: 1,
    max: 100_000,
    help: 'Steps between validations; the last step is always validated.',
  },
  validationItems: {
    type: 'integer',
    default: 300,
    min: 1,
    max: 100_000,
    help: 'Questions of the validation split that are asked, the same ones each time.',
  },
  patience: {
    type: 'integer',
    default: 0,
    min: 0,
    max: 100_000,
    help: 'Validations without a better score after which training stops early; 0 = never.',
  },
} as const satisfies Readonly<Record<string, SettingRule>>;

/** Settings of every algorithm that learns from its own answers. */
export const ROLLOUT_SETTINGS = {
  temperature: {
    type: 'number',
    default: 1,
    min: 0,
    max: 10,
    help: 'Temperature of rollouts; 0 = greedy.',
  },
  topP: { type: 'number', default: 1, min: 0.01, max: 1, help: 'Nucleus of rollouts; 1 = everything.' },
} as const satisfies Readonly<Record<string, SettingRule>>;

/** Settings of every algorithm that follows a gradient. */
export const GRADIENT_SETTINGS = {
  ...RUN_SETTINGS,
  parameterisation: {
    type: 'choice',
    default: 'sigmoid',
    choices: ['sigmoid', 'direct'],
    help: 'How a parameter makes its multiplier: sigmoid(p), or p itself, kept at or above 0.',
  },
  initMean: { type: 'number', default: 0.1, min: -20, max: 20, help: 'Mean of the first parameters.' },
  initDeviation: {
    type: 'number',
    default: 0.01,
    min: 0,
    max: 10,
    help: 'Standard deviation of the first parameters.',
  },
  optimiser: { type: 'choice', default: 'adamw', choices: ['adamw', 'adam'], help: 'Adam or AdamW.' },
  learningRate: { type: 'number', default: 0.05, min: 0, max: 10, help: 'Learning rate after warm-up.' },
  beta1: { type: 'number', default: 0.9, min: 0, max: 0.999999, help: "Decay of Adam's first moment." },
  beta2: { type: 'number', default: 0.999, min: 0, max: 0.999999, help: "Decay of Adam's second moment." },
  epsilon: {
    type: 'number',
    default: 1e-8,
    min: 1e-16,
    max: 1,
    help: 'What is added to the root of the second moment.',
  },
  weightDecay: {
    type: 'number',
    default: 0,
    min: 0,
    max: 10,
    help: 'Weight decay: decoupled under adamw, L2 under adam.',
  },
  schedule: {
    type: 'choice',
    default: 'cosine',
    choices: ['cosine', 'constant'],
    help: 'Learning rate after warm-up: down to 0 by a cosine, or constant.',
  },
  warmUpSteps: { type: 'integer', default: 5, min: 0, max: 100_000, help: 'Steps of linear warm-up.' },
  clipNorm: {
    type: 'number',
    default: 1,
    min: 0,
    max: 1e9,
    help: 'Largest norm of the whole gradient; 0 = no limit.',
  },
  klCoefficient: {
    type: 'number',
    default: 0,
    min: 0,
    max: 1000,
    help: 'Weight of the divergence from the base in the loss; 0 = off.',
  },
  klDirection: {
    type: 'choice',
    default: 'policy-to-reference',
    choices: ['policy-to-reference', 'reference-to-policy'],
    help: 'KL(π ‖ base), as the paper, or KL(base ‖ π), as its published code.',
  },
  lengthNormalisation: {
    type: 'boolean',
    default: false,
    help: "Divide an answer's weight by its tokens.",
  },
  endToken: {
    type: 'boolean',
    default: true,
    help: 'The end-of-turn token counts as part of the answer, so that stopping is learnt.',
  },
} as const satisfies Readonly<Record<string, SettingRule>>;
