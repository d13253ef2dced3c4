import { EMBEDDED_MODEL } from '#deploy/local/embedded-model.js';
import { Normalisation, Priority, type Prompt, Sampling } from '#proto/zmesh/v1/common.js';
import {
  ClassifyRequest,
  CompleteRequest,
  FirstPassBlend,
  FirstPassMode,
  GenerateRequest,
  type Strategy,
  TokenizeRequest,
} from '#proto/zmesh/v1/dispatcher.js';
import {
  ComputeGradientRequest,
  EncodeTokensRequest,
  GenerateTokensRequest,
  KlDirection,
  LoadMultipliersRequest,
  LogitsScope,
  ScoreRequest,
} from '#proto/zmesh/v1/inference.js';
import type { Facts } from './facts.js';
import { TOKENS_ONLY } from './mesh.js';
import type { Random } from './random.js';
import { registrySeeds } from './seeds-registry.js';
import { trainerSeeds } from './seeds-trainer.js';

/** Makes a valid request, encoded; several for a client stream. */
export type Seed = (facts: Facts, random: Random) => Uint8Array | readonly Uint8Array[];

const prompt = (random: Random): Prompt => {
  const tokens = { $case: 'tokens' as const, value: { ids: [1, 5, 9, 200, 300] } };
  const text = { $case: 'text' as const, value: 'Mia has 889 cards' };
  const messages = [{ role: 'user', content: 'Hello there, Bob!' }];
  const chat = { $case: 'chat' as const, value: { messages } };
  return { input: random.pick([tokens, text, chat, chat]) };
};

const sampling = (random: Random): Sampling =>
  Sampling.fromPartial({
    temperature: random.pick([0, 0.7]),
    topK: 5,
    topP: 0.9,
    minP: 0.01,
    repetitionPenalty: 1.1,
    seed: 7n,
    stop: random.chance(0.3) ? ['zz'] : [],
    maxTokens: 1 + random.below(4),
    topLogProbs: random.pick([0, 0, 2]),
  });

const priority = (random: Random): Priority => random.pick([Priority.INTERACTIVE, Priority.BATCH]);

const strategy = (random: Random): Strategy => {
  const firstPass = {
    mode: random.pick([FirstPassMode.SCORE, FirstPassMode.SCORE, FirstPassMode.GENERATE]),
    blend: random.pick([FirstPassBlend.TOP, FirstPassBlend.UNSPECIFIED]),
    abstainThreshold: 0.4,
  };
  const arms = [
    { expert: 'math@stable', alpha: 0.75, alphaPerMatrix: {} },
    { expert: 'code', alpha: 0.25, alphaPerMatrix: { 'model.layers.0.mlp.up_proj.weight': 0.5 } },
    { expert: 'base', alpha: 0.5, alphaPerMatrix: {} },
  ];
  const kinds: readonly NonNullable<Strategy['kind']>[] = [
    { $case: 'none', value: {} },
    { $case: 'expert', value: { expert: 'math' } },
    { $case: 'expert', value: { expert: `${EMBEDDED_MODEL}/reasoning@stable` } },
    { $case: 'mixture', value: { mixture: { arms } } },
    { $case: 'mixture', value: { mixture: { arms: arms.slice(1) } } },
    { $case: 'prompt', value: { firstPass } },
    { $case: 'classifier', value: { firstPass, expert: 'classifier' } },
    { $case: 'auto', value: { firstPass } },
  ];
  return { kind: random.pick(kinds) };
};

const generate = (random: Random): GenerateRequest =>
  GenerateRequest.fromPartial({
    requestId: 'hostile-1',
    model: EMBEDDED_MODEL,
    prompt: prompt(random),
    strategy: strategy(random),
    sampling: sampling(random),
    n: random.pick([1, 1, 2]),
    priority: priority(random),
  });

const exactMixture = ({ versions }: Facts, random: Random) => {
  const arm = (name: string, alpha: number) => ({
    expert: `${name}@${versions.get(name)}`,
    alpha,
    alphaPerMatrix: random.chance(0.3) ? { 'model.layers.1.mlp.down_proj.weight': 0.5 } : {},
  });
  return { arms: random.pick([[], [arm('math', 1)], [arm('math', 0.5), arm('code', 0.5)]]) };
};

const gradient = (facts: Facts, random: Random): ComputeGradientRequest => {
  const inline = random.chance(0.5);
  const own = () => (inline || random.chance(0.5) ? {} : { mixture: exactMixture(facts, random) });
  return ComputeGradientRequest.fromPartial({
    requestId: 'hostile-5',
    model: EMBEDDED_MODEL,
    sequences: [1, 0.5, -0.25].map((weight) => ({
      prompt: prompt(random),
      answer: { ids: [7, 8, 9, 2].slice(random.below(3)) },
      weight,
      klWeight: 0.3,
      ...own(),
    })),
    ...(inline
      ? { multipliers: { vectors: facts.vectors, normalisation: Normalisation.TRACE } }
      : { mixture: exactMixture(facts, random) }),
    klCoefficient: random.pick([0, 0.2]),
    klDirection: random.pick([KlDirection.REFERENCE_TO_POLICY, KlDirection.POLICY_TO_REFERENCE]),
    tokenLogProbs: random.chance(0.5),
    priority: priority(random),
  });
};

/** A valid request for every RPC, by name; `ListModels` and its like have nothing to say. */
export const SEEDS: Readonly<Record<string, Seed>> = {
  Generate: (_, random) => GenerateRequest.encode(generate(random)).finish(),
  Complete: (_, random) => CompleteRequest.encode({ request: generate(random) }).finish(),
  Classify: (_, random) =>
    ClassifyRequest.encode(
      ClassifyRequest.fromPartial({
        requestId: 'hostile-2',
        model: EMBEDDED_MODEL,
        prompt: { input: { $case: 'text', value: 'What is 2 plus 3?' } },
        strategy: strategy(random),
        priority: priority(random),
      }),
    ).finish(),
  Tokenize: (_, random) => TokenizeRequest.encode({ model: EMBEDDED_MODEL, prompt: prompt(random) }).finish(),
  ListModels: () => new Uint8Array(0),
  GenerateTokens: (facts, random) =>
    GenerateTokensRequest.encode({
      ...generate(random),
      ...(random.chance(0.1) ? { model: TOKENS_ONLY } : {}),
      mixture: exactMixture(facts, random),
    }).finish(),
  Score: (facts, random) =>
    ScoreRequest.encode(
      ScoreRequest.fromPartial({
        requestId: 'hostile-3',
        model: EMBEDDED_MODEL,
        prompt: prompt(random),
        mixture: exactMixture(facts, random),
        continuations: [
          { input: { $case: 'text', value: 'answer 5' }, endOfTurn: true },
          { input: { $case: 'tokens', value: { ids: [7, 8] } }, endOfTurn: false },
        ],
        logits: random.pick([LogitsScope.NONE, LogitsScope.LAST, LogitsScope.PROMPT]),
        topK: random.pick([0, 3]),
        priority: priority(random),
      }),
    ).finish(),
  ComputeGradient: (facts, random) => ComputeGradientRequest.encode(gradient(facts, random)).finish(),
  LoadMultipliers: ({ vectors }, random) =>
    LoadMultipliersRequest.encode({
      requestId: 'hostile-4',
      model: EMBEDDED_MODEL,
      vectors,
      normalisation: random.pick([Normalisation.NONE, Normalisation.TRACE]),
    }).finish(),
  EncodeTokens: (_, random) =>
    EncodeTokensRequest.encode({ model: EMBEDDED_MODEL, prompt: prompt(random) }).finish(),
  ListServedModels: () => new Uint8Array(0),
  ...registrySeeds,
  ...trainerSeeds,
};

/** Words that a caller of reading RPCs knows. */
export function readingWords({ versions }: Facts): readonly string[] {
  const exact = [...versions].flatMap(([name, version]) => [
    `${name}@${version}`,
    `${EMBEDDED_MODEL}/${name}@${version}`,
    `${name}@${version.slice(0, 8)}`,
  ]);
  const wrong = ['math', 'code'].map((name) => `${name}@${versions.get('reasoning')}`);
  const names = [
    'math',
    'math@stable',
    'math@edge',
    'nobody@stable',
    'tiny/math@stable',
    'classifier',
    'base',
  ];
  const matrices = [
    'model.layers.0.mlp.up_proj.weight',
    'model.layers.0.self_attn.q_proj.weight',
    'lm_head.weight',
  ];
  return [
    ...exact,
    ...wrong,
    ...names,
    ...matrices,
    EMBEDDED_MODEL,
    TOKENS_ONLY,
    'strict',
    'user',
    'refused',
    'stable',
  ];
}
